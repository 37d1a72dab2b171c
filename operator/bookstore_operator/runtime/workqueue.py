"""A work queue of keys: each is processed once at a time, and failing ones with a backoff."""

import asyncio
import heapq
import random
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays that double with each failure, with jitter, up to a cap. In seconds."""

    first: float = 1.0
    cap: float = 300.0
    jitter: float = 0.2
    floor_for_events: float = 5.0
    """The longest delay of a failing key after an event about it."""

    def delay(
        self, failures: int, draw: Callable[[], float] = random.random, first: float | None = None
    ) -> float:
        """Return the delay after a number of failures in a row (1 is the first), in seconds."""
        start = self.first if first is None else first
        plain = min(self.cap, start * 2.0 ** min(failures - 1, 30))
        return min(self.cap, plain * (1 + self.jitter * draw()))


class Schedule(Generic[Key]):
    """When each key is due. Pure: the time is an argument.

    A key is due at the earliest time that was requested. It is not returned again while it is being
    processed; a request in that time takes effect afterwards.
    """

    def __init__(self, backoff: Backoff | None = None) -> None:
        self._backoff = backoff or Backoff()
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._sequence = 0
        self._processing: set[Key] = set()
        self._parked: set[Key] = set()  # due while processed: out of the heap until released
        self._failures: dict[Key, int] = {}
        self._not_before: dict[Key, float] = {}
        self.waited = 0.0
        """How long the key that was returned last had been due, in seconds."""

    def add(self, key: Key, at: float) -> None:
        """Request a key at a time; the earliest request counts."""
        at = max(at, self._not_before.get(key, at))
        requested = self._due.get(key)
        if requested is None or at < requested:
            self._set(key, at)

    def pop(self, now: float) -> Key | None:
        """Return a due key and hold it until `succeeded` or `failed`; None if none is due."""
        while (top := self._top()) is not None and top[0] <= now:
            heapq.heappop(self._heap)
            key = top[2]
            if key in self._processing:
                self._parked.add(key)
                continue
            del self._due[key]
            self._processing.add(key)
            self.waited = now - top[0]
            return key
        return None

    def next_due(self) -> float | None:
        """Return when the next key is due; None if there is none."""
        top = self._top()
        return None if top is None else top[0]

    def succeeded(self, key: Key) -> None:
        """Release a key and forget its failures."""
        self._failures.pop(key, None)
        self._not_before.pop(key, None)
        self._release(key)

    def failed(
        self, key: Key, now: float, at_least: float = 0.0, first: float | None = None
    ) -> float:
        """Release a key and request it again after a growing delay; returns the delay in seconds.

        The delay starts at `first`, if given, for a failure that is likely to be over at once.

        Events about the key bring that forward, but not below `floor_for_events`: events that a
        failing key causes itself must not make it spin.
        """
        self._failures[key] = self._failures.get(key, 0) + 1
        delay = max(at_least, self._backoff.delay(self._failures[key], first=first))
        self._not_before[key] = now + max(at_least, min(delay, self._backoff.floor_for_events))
        requested = self._due.pop(key, None)
        self._set(key, now + delay)
        if requested is not None:
            self.add(key, requested)
        self._release(key)
        return delay

    def __len__(self) -> int:
        return len(self._due)

    @property
    def processing(self) -> int:
        """The number of keys that are being processed."""
        return len(self._processing)

    def depth(self, now: float) -> int:
        """Return the number of keys that are due and not being processed."""
        return sum(at <= now and key not in self._processing for key, at in self._due.items())

    def _top(self) -> tuple[float, int, Key] | None:
        """Return the earliest valid entry; entries of keys that were rescheduled are dropped."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0] if self._heap else None

    def _release(self, key: Key) -> None:
        self._processing.discard(key)
        if key in self._parked:
            self._parked.discard(key)
            if key in self._due:
                self._set(key, self._due[key])

    def _set(self, key: Key, at: float) -> None:
        self._due[key] = at
        self._sequence += 1
        heapq.heappush(self._heap, (at, self._sequence, key))


def _ignore(*_: object) -> None: ...


class WorkQueue(Generic[Key]):
    """A Schedule on the event loop's clock, for many workers."""

    def __init__(self, debounce: float = 0.2, backoff: Backoff | None = None) -> None:
        self.on_get: Callable[[float], None] = _ignore
        """Called with how long each key had been due when a worker took it, in seconds."""
        self._schedule: Schedule[Key] = Schedule(backoff)
        self._debounce = debounce
        self._changed = asyncio.Event()

    def add(self, key: Key, after: float | None = None) -> None:
        """Request a key in `after` seconds, or soon: a burst of events then causes one visit."""
        delay = self._debounce if after is None else after
        self._schedule.add(key, _now() + delay)
        self._changed.set()

    async def get(self) -> Key:
        """Wait for a key that is due. `succeeded` or `failed` must follow."""
        while True:
            key = self._schedule.pop(_now())
            if key is not None:
                self.on_get(self._schedule.waited)
                return key
            await self._wait()

    def succeeded(self, key: Key) -> None:
        """Release a key after a successful visit."""
        self._schedule.succeeded(key)
        self._changed.set()

    def failed(self, key: Key, at_least: float = 0.0, first: float | None = None) -> float:
        """Release a key after a failed visit; returns the delay until the next, in seconds."""
        delay = self._schedule.failed(key, _now(), at_least, first)
        self._changed.set()
        return delay

    def depth(self) -> int:
        """Return the number of keys that are due and wait."""
        return self._schedule.depth(_now())

    def processing(self) -> int:
        """Return the number of keys that are being processed."""
        return self._schedule.processing

    async def _wait(self) -> None:
        """Sleep until something is due or has changed."""
        self._changed.clear()
        due = self._schedule.next_due()
        delay = None if due is None else max(0.0, due - _now())
        try:
            async with asyncio.timeout(delay):
                await self._changed.wait()
        except TimeoutError:
            return


def _now() -> float:
    return asyncio.get_running_loop().time()
