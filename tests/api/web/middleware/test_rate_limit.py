"""How often a client may ask, with real processes that share a real Redis."""

import asyncio
import math
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookstore_api.cache.client import RedisClient
from bookstore_api.settings import Settings
from bookstore_api.telemetry.metrics import REGISTRY
from bookstore_api.web.middleware import rate_limit
from bookstore_api.web.middleware.rate_limit import Limit, LocalCounter, SharedCounter, parse_limit
from tests.support.bookstore import StartProcess, app_of, served
from tests.support.valkey import Valkey

BOOKS = "/api/v1/books"
PROCESSES = 3
LIMIT = 50
HOUR = 3600


@contextmanager
def limited(settings: Settings, **limits: str) -> Iterator[httpx.Client]:
    update = {"trusted_proxies": ("127.0.0.1/32",), **limits}
    changed = Settings.model_validate({**settings.model_dump(), **update})
    with served(app_of(changed)) as client:
        yield client


def write(url: str, client: str) -> httpx.Response:
    """A write that changes nothing: there is no such book."""
    return httpx.delete(f"{url}/no-id", headers={"x-forwarded-for": client}, timeout=20)


def state(answer: httpx.Response, kind: str) -> tuple[int, int]:
    """What is left, and in how many seconds the count begins again."""
    name, remaining, reset = answer.headers["ratelimit"].split(";")
    assert name == f'"{kind}"'
    assert remaining.startswith("r=")
    assert reset.startswith("t=")
    return int(remaining[2:]), int(reset[2:])


def assert_rejected(answer: httpx.Response, kind: str) -> None:
    assert answer.status_code == 429
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"] == "Too Many Requests"
    remaining, reset = state(answer, kind)
    assert (remaining, answer.headers["retry-after"]) == (0, str(reset))
    assert 1 <= reset <= HOUR


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def far_from_the_end(url: str, seconds: int) -> tuple[str, int]:
    """A client whose window does not end while the test runs, and what is left after asking."""
    for number in range(1, 50):
        client = f"198.51.100.{number}"
        remaining, reset = state(write(url, client), "writes")
        if reset > seconds:
            return client, remaining
    raise AssertionError


@pytest.mark.invariant
def test_writes_are_counted_exactly_by_all_processes_together(
    start: StartProcess, sqlite_settings: Settings, valkey: Valkey
) -> None:
    settings = {
        "redis_url": valkey.url,
        "redis_timeout_seconds": 10,  # exact as long as Redis is waited for, on any machine
        "rate_limit_writes": f"{LIMIT}/hour",
        "trusted_proxies": "127.0.0.0/8",
    }
    database = sqlite_settings.database_uri()
    processes = [start(database, **settings).wait_until_ready() for _ in range(PROCESSES)]
    urls = [process.url + BOOKS for process in processes]
    client, left = far_from_the_end(urls[0], 600)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: write(urls[n % PROCESSES], client), range(2 * LIMIT)))
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses == {422: left, 429: 2 * LIMIT - left}
    allowed = [answer for answer in answers if answer.status_code != 429]
    assert sorted(state(answer, "writes")[0] for answer in allowed) == list(range(left))
    for answer in answers:
        if answer.status_code == 429:
            assert_rejected(answer, "writes")
        assert answer.headers["ratelimit-policy"] == f'"writes";q={LIMIT};w=3600'
    assert write(urls[0], "203.0.113.1").status_code == 422  # others are not held up


@pytest.mark.invariant
def test_writes_are_counted_here_while_redis_is_away(
    start: StartProcess, sqlite_settings: Settings, private_valkey: Valkey
) -> None:
    process = start(
        sqlite_settings.database_uri(),
        redis_url=private_valkey.url,
        redis_timeout_seconds=0.3,
        rate_limit_writes=f"{LIMIT}/hour",
        trusted_proxies="127.0.0.0/8",
    ).wait_until_ready()
    url = process.url + BOOKS
    client, left = far_from_the_end(url, 600)
    private_valkey.freeze()
    # What was counted before is not forgotten, and nobody waits long.
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: write(url, client), range(2 * LIMIT)))
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses == {422: left, 429: 2 * LIMIT - left}
    private_valkey.stop()
    assert write(url, client).status_code == 429
    private_valkey.start()
    assert process.answers("/readyz")


def test_reads_and_writes_are_counted_apart(sqlite_settings: Settings) -> None:
    limits = {"rate_limit_reads": "5/hour", "rate_limit_writes": "3/hour"}
    before = counted("bookstore_rate_limit_rejections_total", scope="reads")
    with limited(sqlite_settings, **limits) as client:
        headers = {"x-forwarded-for": "198.51.100.1"}
        for left in (4, 3, 2, 1, 0):
            answer = client.get("/nothing" if left % 2 else BOOKS, headers=headers)
            assert answer.status_code == (404 if left % 2 else 200)
            assert state(answer, "reads")[0] == left
        assert_rejected(client.get(BOOKS, headers=headers), "reads")
        for left in (2, 1, 0):
            assert state(client.put("/nothing", headers=headers), "writes")[0] == left
        assert_rejected(client.post(BOOKS, headers=headers), "writes")
        other = {"x-forwarded-for": "2001:db8::1"}
        assert state(client.get(BOOKS, headers=other), "reads")[0] == 4
        other = {"x-forwarded-for": "2001:db8::2"}
        assert state(client.get(BOOKS, headers=other), "reads")[0] == 3  # of one network
    assert counted("bookstore_rate_limit_rejections_total", scope="reads") == before + 1


def test_nobody_is_another_client_by_saying_so(
    start: StartProcess, sqlite_settings: Settings
) -> None:
    process = start(sqlite_settings.database_uri(), rate_limit_writes="2/hour").wait_until_ready()
    statuses = [write(process.url + BOOKS, f"198.51.100.{n}").status_code for n in range(3)]
    assert statuses == [422, 422, 429]


def test_a_limit_can_be_turned_off(sqlite_settings: Settings) -> None:
    with limited(sqlite_settings, rate_limit_writes="1/hour") as client:
        for _ in range(5):
            assert "ratelimit" not in client.get(BOOKS).headers
        assert client.delete(f"{BOOKS}/no-id").status_code == 422
        assert_rejected(client.delete(f"{BOOKS}/no-id"), "writes")


def test_the_form_of_a_limit() -> None:
    assert parse_limit("reads", "off") is None
    assert parse_limit("reads", "7/second") == Limit("reads", 7, 1)
    assert parse_limit("writes", "600/minute") == Limit("writes", 600, 60)
    assert parse_limit("writes", "9/hour") == Limit("writes", 9, 3600)


@pytest.mark.invariant
@given(quarters=st.lists(st.integers(0, 100), max_size=60), requests=st.integers(1, 5))
def test_each_window_lets_as_many_through(quarters: list[int], requests: int) -> None:
    began = now = 1000.0
    counter = LocalCounter(Limit("reads", requests, 10), clock=lambda: now)
    asked: Counter[float] = Counter()
    for quarter in quarters:
        now += quarter / 4
        window, elapsed = divmod(now - began, 10)
        asked[window] += 1
        assert counter.hit("client") == (
            asked[window] <= requests,
            max(requests - asked[window], 0),
            math.ceil(10 - elapsed),
        )


def test_memory_is_bounded_by_clients_and_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "MAX_CLIENTS", 100)
    monkeypatch.setattr(rate_limit, "SHARED_COUNTERS", 8)
    now = 0.0
    counter = LocalCounter(Limit("reads", 3, 60), clock=lambda: now)
    for number in range(10_000):
        counter.hit(f"client {number}")
    assert counter.clients <= 108
    assert counter.hit("client 1").remaining == 1  # who came early is counted alone
    assert not counter.hit("client 9999").allowed
    now = 60.0
    assert counter.hit("client 9999").remaining == 2
    assert counter.clients == 1


def test_counters_in_redis_expire(valkey: Valkey) -> None:
    limit = Limit("writes", 2, 60)

    async def run() -> None:
        redis = RedisClient(lambda: valkey.url, timeout_seconds=10)
        try:
            now = 1_000_000.0
            counters = [SharedCounter(limit, redis, clock=lambda: now) for _ in range(2)]
            decisions = [await counters[n % 2].hit("client") for n in range(4)]
            assert [decision.allowed for decision in decisions] == [True, True, False, False]
            assert {decision.reset for decision in decisions} == {decisions[0].reset}
            now += decisions[0].reset
            assert (await counters[0].hit("client")).allowed
            # Not all clients' windows end at once.
            resets = {(await counters[0].hit(f"client {n}")).reset for n in range(20)}
            assert len(resets) > 5
        finally:
            await redis.close()

    asyncio.run(run())
    with valkey.client() as client:
        keys = client.keys("*")
        assert isinstance(keys, list)
        assert len(keys) == 22
        for key in keys:
            assert 0 < client.ttl(key) <= 60 + rate_limit.MARGIN_SECONDS
