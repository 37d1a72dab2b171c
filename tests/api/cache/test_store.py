"""The store of answers, by several processes' worth of clients on a real Redis that fails."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from bookstore_api.cache.client import RedisClient
from bookstore_api.cache.entries import Entry, Route, decode, encode
from bookstore_api.cache.local import MAX_BYTES, MAX_ENTRIES, LocalCopies
from bookstore_api.cache.store import ALL, LOCK_SECONDS, PREFIX, Key, ResponseStore
from tests.support.valkey import Valkey

KEY = Key("/books/1", ("/books/1",))
PATIENCE = 20.0


def entry(text: str) -> Entry:
    return Entry(text.encode(), b"application/json", b'"1"', Route("/books/{book_id}"))


class Database:
    """What is cached: a text, how often it was read, and a pause in the middle of each read."""

    def __init__(self) -> None:
        self.text = "old"
        self.loads = 0
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def load(self) -> Entry | None:
        self.loads += 1
        text = self.text
        await self.may_end.wait()
        return entry(text)


@asynccontextmanager
async def store(
    valkey: Valkey, *, local_seconds: float = 0, revision: str = "1", seconds: float = 5
) -> AsyncIterator[ResponseStore]:
    """The store of one process, when it has begun to use Redis."""
    client = RedisClient(lambda: valkey.url, timeout_seconds=seconds)
    made = ResponseStore(
        client,
        namespace=revision,
        seconds=30,
        local_seconds=local_seconds,
        count=lambda _outcome: None,
    )
    made.start()
    await until(lambda: made.trusted)
    try:
        yield made
    finally:
        await made.close()
        await client.close()


async def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.to_thread(time.sleep, 0.01)


async def read(source: ResponseStore, database: Database) -> str:
    found = await source.get(KEY, database.load)
    assert found is not None
    return found.body.decode()


def test_what_one_process_has_computed_another_one_finds(valkey: Valkey) -> None:
    async def run() -> None:
        database = Database()
        async with store(valkey) as one, store(valkey) as other:
            assert await read(one, database) == "old"
            found = await other.get(KEY, database.load)
            assert found == entry("old")
            assert database.loads == 1

    asyncio.run(run())


def test_releases_share_no_answers_and_all_invalidations(valkey: Valkey) -> None:
    async def run() -> None:
        database = Database()
        async with store(valkey, revision="1") as blue, store(valkey, revision="2") as green:
            for each in (blue, green):
                assert await read(each, database) == "old"
            assert database.loads == 2
            database.text = "new"
            await green.invalidate(*KEY.tags)
            assert [await read(blue, database), await read(green, database)] == ["new", "new"]

    asyncio.run(run())


@pytest.mark.parametrize("tag", [ALL, *KEY.tags])
@pytest.mark.invariant
def test_a_slow_load_does_not_bring_an_old_answer_back(valkey: Valkey, tag: str) -> None:
    """The load began before the change, and ends after it."""

    async def run() -> None:
        database = Database()
        async with store(valkey, local_seconds=2) as one, store(valkey) as other:
            database.may_end.clear()
            slow = asyncio.create_task(read(one, database))
            await until(lambda: database.loads)
            database.text = "new"
            await other.invalidate(tag)
            database.may_end.set()
            assert await slow == "old"
            assert await read(other, database) == "new"
            await one.invalidate("another tag")  # so that its copy is not asked
            assert await read(one, database) == "new"

    asyncio.run(run())


@pytest.mark.invariant
def test_a_slow_load_is_not_kept_where_the_change_was_made(valkey: Valkey) -> None:
    async def run() -> None:
        database = Database()
        async with store(valkey, local_seconds=2) as one:
            database.may_end.clear()
            slow = asyncio.create_task(read(one, database))
            await until(lambda: database.loads)
            database.text = "new"
            await one.invalidate(*KEY.tags)
            fresh = asyncio.create_task(read(one, database))  # does not join the one of before
            database.may_end.set()
            assert [await slow, await fresh] == ["old", "new"]
            assert await read(one, database) == "new"

    asyncio.run(run())


@pytest.mark.parametrize("processes", [1, 2])
def test_one_load_serves_all_who_ask_at_the_same_time(valkey: Valkey, processes: int) -> None:
    async def run() -> None:
        database = Database()
        database.may_end.clear()
        async with store(valkey) as one, store(valkey) as other:
            sources = [one, other][:processes]
            readers = [asyncio.create_task(read(each, database)) for each in sources * 250]
            await until(lambda: database.loads)
            database.may_end.set()
            assert set(await asyncio.gather(*readers)) == {"old"}
            assert database.loads == 1

    asyncio.run(run())


def test_nobody_waits_long_for_a_process_that_was_killed_with_the_lock(valkey: Valkey) -> None:
    async def run() -> None:
        database = Database()
        with valkey.client() as client:
            client.set(f"{PREFIX}lock:1:{KEY.name}", "1", px=int(LOCK_SECONDS * 1000))
        async with store(valkey) as one:
            assert await read(one, database) == "old"
            assert database.loads == 1

    asyncio.run(run())


def test_what_is_not_to_be_kept_is_computed_for_each(valkey: Valkey) -> None:
    async def run() -> None:
        loads = 0

        async def load() -> None:
            nonlocal loads
            loads += 1

        async with store(valkey) as one, store(valkey) as other:
            found = await asyncio.gather(*(each.get(KEY, load) for each in (one, other) * 5))
            assert set(found) == {None}
            assert loads == 10

    asyncio.run(run())


def test_an_answer_without_its_generation_is_not_used(valkey: Valkey) -> None:
    """Redis evicts what it likes: the answer may be there still."""

    async def run() -> None:
        database = Database()
        async with store(valkey) as one:
            await read(one, database)
            database.text = "new"
            with valkey.client() as client:
                assert client.delete(f"{PREFIX}tag:{KEY.tags[0]}") == 1
            assert await read(one, database) == "new"

    asyncio.run(run())


def freeze(valkey: Valkey) -> None:
    valkey.freeze()


def refuse_writes(valkey: Valkey) -> None:
    with valkey.client() as client:
        client.replicaof("127.0.0.1", "1")


def fill(valkey: Valkey) -> None:
    with valkey.client() as client:
        client.config_set("maxmemory", 1)


def repair(valkey: Valkey) -> None:
    valkey.thaw()
    with valkey.client() as client:
        client.replicaof("NO", "ONE")
        client.config_set("maxmemory", 0)


@pytest.mark.parametrize("fault", [freeze, refuse_writes, fill])
@pytest.mark.invariant
def test_a_change_that_redis_did_not_hear_of_is_seen_when_it_is_back(
    private_valkey: Valkey, fault: Callable[[Valkey], None]
) -> None:
    async def run() -> None:
        database = Database()
        async with (
            store(private_valkey, seconds=0.5) as one,
            store(private_valkey) as other,
        ):
            assert await read(one, database) == "old"
            fault(private_valkey)
            database.text = "new"
            await one.invalidate(*KEY.tags)
            assert one.failed_invalidations == 1
            assert await read(one, database) == "new"
            repair(private_valkey)
            await until(lambda: one.trusted)
            assert await read(other, database) == "new"
            assert await read(one, database) == "new"

    asyncio.run(run())


def test_while_redis_is_away_nobody_waits_for_it_twice(private_valkey: Valkey) -> None:
    async def run() -> None:
        database = Database()
        async with store(private_valkey, seconds=0.3) as one:
            private_valkey.freeze()
            assert await read(one, database) == "old"
            began = time.monotonic()
            for _ in range(50):
                assert await read(one, database) == "old"
            assert time.monotonic() - began < 50 * 0.3 / 2
            private_valkey.thaw()
            await until(lambda: one.trusted)

    asyncio.run(run())


def test_while_redis_is_away_copies_in_the_process_are_used(private_valkey: Valkey) -> None:
    async def run() -> None:
        database = Database()
        async with store(private_valkey, local_seconds=2, seconds=0.2) as one:
            private_valkey.stop()
            await read(one, database)
            assert one.local.find(KEY.name) in {entry("old"), None}  # None on a very slow machine
            database.may_end.clear()
            await one.invalidate("x")
            readers = [asyncio.create_task(read(one, database)) for _ in range(100)]
            await until(lambda: database.loads == 2)
            database.may_end.set()
            await asyncio.gather(*readers)
            assert database.loads == 2

    asyncio.run(run())


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_copy_is_as_old_as_the_question_that_it_answers() -> None:
    clock = Clock()
    copies = LocalCopies(1.0, clock)
    since = clock.now
    clock.now += 0.6  # the load took so long
    copies.keep("a", entry("x"), since=since, epoch=copies.epoch)
    assert copies.find("a") == entry("x")
    clock.now += 0.4
    assert copies.find("a") is None
    copies.keep("b", entry("x"), since=since, epoch=copies.epoch)
    assert copies.find("b") is None


def test_copies_are_few_and_small() -> None:
    copies = LocalCopies(60.0)
    for number in range(MAX_ENTRIES + 10):
        copies.keep(str(number), entry("x"), since=copies.clock(), epoch=copies.epoch)
    assert copies.find("9") is None
    assert copies.find("10") is not None
    copies.keep("large", entry("x" * MAX_BYTES), since=copies.clock(), epoch=copies.epoch)
    assert copies.find("large") is not None
    assert copies.find(str(MAX_ENTRIES)) is None


@pytest.mark.parametrize(
    "raw",
    [b"", b"{}", b"\n", b"[]\n", b"null\nx", b'{"format": 2}\nx', b"\xff\n", b'{"format": 1}\nx'],
)
def test_what_this_code_did_not_write_is_not_read(raw: bytes) -> None:
    assert decode(raw, ("a",)) is None


def test_an_entry_is_read_as_it_was_written_and_by_its_generations_only() -> None:
    written = entry('{"title": "\u00e9\n"}')
    raw = encode(written, ("a", "b"))
    assert decode(raw, ("a", "b")) == written
    assert decode(raw, ("a", "c")) is None
    assert decode(encode(written, ("a", "")), ("a", "")) is None
