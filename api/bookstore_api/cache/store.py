"""Answers that all processes share, in Redis, with copies in each process for a moment.

An entry in Redis names the generation of each of its tags, read before the answer was computed.
`invalidate` gives tags other generations, so that entries of before, and those that a slow load
stores afterwards, are never read again. Every entry has the tag ALL.

Where Redis could not be asked, an invalidation may be missing: then Redis is left alone until ALL
could be given another generation. Meanwhile there are the copies in the process.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, NamedTuple

from redis.asyncio import Redis

from bookstore_api.cache.client import RedisClient, RedisUnavailableError
from bookstore_api.cache.entries import Entry, Tokens, decode, encode
from bookstore_api.cache.local import LocalCopies

PREFIX = "bookstore:{cache}:"
ALL = "all"
MAX_BODY_BYTES = 256 * 1024
TAG_SECONDS = 3600
# So long one process may keep the others from computing the same answer.
LOCK_SECONDS = 1.0
POLL_SECONDS = 0.02
# An answer that others are computed for must not be older than this when somebody joins them.
JOIN_SECONDS = 1.0
# A flight that takes longer is not waited for: whoever waits computes the answer as well.
WAIT_SECONDS = 5.0
RECOVER_SECONDS = 0.25
MAX_RECOVER_SECONDS = 4.0

Load = Callable[[], Awaitable[Entry | None]]
Outcome = Literal["local", "shared", "joined", "miss"]
"""Where an answer is from: a copy, Redis, somebody else's load, one's own load."""


class Key(NamedTuple):
    """What an answer is kept under, and what it depends on besides ALL."""

    name: str
    tags: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class _Flight:
    """A load that others in this process wait for."""

    began: float
    entry: asyncio.Future[Entry | None]


class ResponseStore:
    """The answers of one process; `namespace` keeps those of other revisions apart."""

    def __init__(
        self,
        redis: RedisClient,
        *,
        namespace: str,
        seconds: int,
        local_seconds: float,
        count: Callable[[Outcome], None],
    ) -> None:
        """Keep answers for `seconds` in Redis, and for `local_seconds` here; ask for nothing yet.

        `count` is called with where each answer is from.
        """
        self._redis = redis
        self._namespace = namespace
        self._seconds = seconds
        self.local = LocalCopies(local_seconds)
        self.count = count
        self._flights: dict[str, _Flight] = {}
        self._trusted = False
        self._doubts = 0
        self._recovery: asyncio.Task[None] | None = None
        self.failed_invalidations = 0
        """How many changes Redis did not hear of when they were made."""

    def start(self) -> None:
        """Begin to use Redis; call it in the event loop.

        Nothing of before is used: the process before this one may have been killed after a commit.
        """
        self._distrust()

    @property
    def trusted(self) -> bool:
        """Whether what is in Redis is used."""
        return self._trusted

    async def get(self, key: Key, load: Load) -> Entry | None:
        """Return the answer from wherever it is; None where `load` computed one that isn't kept.

        `load` is called by one of those who ask for the same at the same time, in this process
        and, while Redis answers, in all: each of the others gets what it returned.
        """
        flight = self._flights.get(key.name)
        if flight is not None and self.local.clock() - flight.began <= JOIN_SECONDS:
            with suppress(TimeoutError):
                async with asyncio.timeout(WAIT_SECONDS):
                    entry = await asyncio.shield(flight.entry)
                if entry is not None:
                    self.count("joined")
                    return entry
            self.count("miss")
            return await load()
        return await self._lead(key, load)

    async def _lead(self, key: Key, load: Load) -> Entry | None:
        """Find or compute the answer for all who ask for it meanwhile."""
        flight = _Flight(self.local.clock(), asyncio.get_running_loop().create_future())
        self._flights[key.name] = flight
        epoch, entry = self.local.epoch, None
        try:
            entry = await self._find_or_load(key, load)
            if entry is not None:
                self.local.keep(key.name, entry, since=flight.began, epoch=epoch)
            return entry
        finally:
            if self._flights.get(key.name) is flight:
                del self._flights[key.name]
            flight.entry.set_result(entry)

    async def _find_or_load(self, key: Key, load: Load) -> Entry | None:
        if not self._trusted:
            self.count("miss")
            return await load()
        locked_at = None
        try:
            entry, tokens = await self._find(key)
            if entry is None:
                entry, tokens, locked_at = await self._lock_or_wait(key)
        except RedisUnavailableError:
            self._distrust()
            self.count("miss")
            return await load()
        if entry is not None:
            self.count("shared")
            if locked_at is not None:
                await self._finish(key, None, tokens, locked_at)
            return entry
        self.count("miss")
        try:
            entry = await load()
        finally:
            await self._finish(key, entry, tokens, locked_at)
        return entry

    # What is asked of Redis

    async def _find(self, key: Key) -> tuple[Entry | None, Tokens]:
        names = [self._entry(key), *map(_tag, (ALL, *key.tags))]
        raw, *found = await self._redis.guarded(lambda redis: redis.mget(names))
        tokens = _tokens(found)
        return (decode(raw, tokens) if isinstance(raw, bytes) else None), tokens

    async def _lock_or_wait(self, key: Key) -> tuple[Entry | None, Tokens, float | None]:
        """Take the lock for the load, or wait for whoever has it.

        Returns the answer of the other one; else the generations, and when the lock was taken.
        """
        deadline = self.local.clock() + LOCK_SECONDS
        while True:
            now = self.local.clock()
            locked, entry, tokens = await self._lock(key)
            if locked or entry is not None:
                return entry, tokens, now if locked else None
            entry = await self._wait_for_other(key, deadline)
            if entry is not None or self.local.clock() >= deadline:
                return entry, tokens, None

    async def _wait_for_other(self, key: Key, deadline: float) -> Entry | None:
        """Return what another process stores; None where it ends without, or takes too long."""
        lock = self._lock_name(key)
        while (left := deadline - self.local.clock()) > 0:
            await asyncio.sleep(min(POLL_SECONDS, left))
            entry, _ = await self._find(key)
            if entry is not None:
                return entry
            if not await self._redis.guarded(lambda redis: redis.exists(lock)):
                return None
        return None

    async def _lock(self, key: Key) -> tuple[bool, Entry | None, Tokens]:
        """Try to take the lock; look again for an answer, which its last holder may have stored.

        Tags without a generation get one.
        """
        tags = [_tag(tag) for tag in (ALL, *key.tags)]

        async def take(redis: Redis) -> tuple[bool, Sequence[object]]:
            async with redis.pipeline(transaction=False) as pipeline:
                for tag in tags:
                    pipeline.set(tag, _new_token(), nx=True, ex=TAG_SECONDS)
                pipeline.set(self._lock_name(key), b"1", nx=True, px=int(LOCK_SECONDS * 1000))
                pipeline.mget([self._entry(key), *tags])
                *_, locked, found = await pipeline.execute()
            return bool(locked), found

        locked, (raw, *found) = await self._redis.guarded(take)
        tokens = _tokens(found)
        return locked, decode(raw, tokens) if isinstance(raw, bytes) else None, tokens

    async def _finish(
        self, key: Key, entry: Entry | None, tokens: Tokens, locked_at: float | None
    ) -> None:
        """Store what was loaded, and end the lock while it is certainly ours."""
        name, lock = self._entry(key), self._lock_name(key)
        small = entry is not None and len(entry.body) <= MAX_BODY_BYTES
        still_ours = locked_at is not None and self.local.clock() - locked_at < LOCK_SECONDS * 0.9

        async def store(redis: Redis) -> None:
            async with redis.pipeline(transaction=False) as pipeline:
                if entry is not None and small and all(tokens):
                    pipeline.set(name, encode(entry, tokens), ex=self._seconds)
                if still_ours:
                    pipeline.delete(lock)
                await pipeline.execute()

        try:
            await self._redis.guarded(store)
        except RedisUnavailableError:
            self._distrust()

    # What is changed

    async def invalidate(self, *tags: str) -> None:
        """Let nobody see what depends on these tags as it was; called after each change.

        Never fails: what Redis does not hear now, it hears when it answers again.
        """
        self.local.clear()
        self._flights.clear()
        try:
            await self._renew(*tags)
        except RedisUnavailableError:
            self.failed_invalidations += 1
            self._distrust()

    def _distrust(self) -> None:
        """Use nothing in Redis until ALL has another generation: try that again and again."""
        self._trusted = False
        self._doubts += 1
        if self._recovery is None or self._recovery.done():
            self._recovery = asyncio.create_task(self._recover())

    async def _recover(self) -> None:
        pause = RECOVER_SECONDS
        while not self._trusted:
            doubts = self._doubts
            with suppress(RedisUnavailableError):
                await self._renew(ALL)
                # What was lost while this was on its way may have come after it.
                self._trusted = doubts == self._doubts
                continue
            await asyncio.sleep(pause)
            pause = min(pause * 2, MAX_RECOVER_SECONDS)

    async def _renew(self, *tags: str) -> None:
        """Give tags other generations; raises RedisUnavailableError."""

        async def renew(redis: Redis) -> None:
            async with redis.pipeline(transaction=False) as pipeline:
                for tag in tags:
                    pipeline.set(_tag(tag), _new_token(), ex=TAG_SECONDS)
                await pipeline.execute()

        await self._redis.guarded(renew)

    async def close(self) -> None:
        """End what runs beside requests."""
        if self._recovery is not None:
            self._recovery.cancel()
            await asyncio.gather(self._recovery, return_exceptions=True)

    def _entry(self, key: Key) -> str:
        return f"{PREFIX}entry:{self._namespace}:{key.name}"

    def _lock_name(self, key: Key) -> str:
        return f"{PREFIX}lock:{self._namespace}:{key.name}"


def _tokens(found: Iterable[object]) -> Tokens:
    return tuple(token.decode("latin-1") if isinstance(token, bytes) else "" for token in found)


def _tag(tag: str) -> str:
    # Not of a revision: a write that one release answers changes what the other one shows.
    return f"{PREFIX}tag:{tag}"


def _new_token() -> str:
    return secrets.token_hex(8)
