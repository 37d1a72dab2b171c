"""Keys are returned once, in time, and failing ones with growing delays."""

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookstore_operator.runtime.workqueue import Backoff, Schedule, WorkQueue

pytestmark = pytest.mark.scenario

STEADY = Backoff(jitter=0.0)


def test_a_burst_is_one_visit() -> None:
    schedule: Schedule[str] = Schedule()
    for at in (3.0, 1.0, 2.0):
        schedule.add("a", at)
    assert schedule.pop(0.9) is None
    assert schedule.next_due() == 1.0
    assert schedule.pop(1.0) == "a"
    assert schedule.pop(9.0) is None


@pytest.mark.invariant
def test_a_key_is_never_processed_twice_at_once() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 0.0)
    assert schedule.pop(0.0) == "a"
    schedule.add("a", 0.0)
    schedule.add("b", 1.0)
    assert schedule.pop(1.0) == "b"
    assert schedule.pop(1.0) is None
    assert schedule.next_due() is None, "nothing to wait for but the release of the keys"
    schedule.succeeded("a")
    assert schedule.pop(1.0) == "a"


def test_failures_double_the_delay_up_to_the_cap_and_a_success_ends_that() -> None:
    schedule: Schedule[str] = Schedule(STEADY)
    delays = []
    for _ in range(10):
        schedule.add("a", 0.0)
        now = schedule.next_due()
        assert now is not None
        schedule.pop(now)
        delays.append(schedule.failed("a", now))
    assert delays == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    due = schedule.next_due()
    assert due is not None
    schedule.pop(due)
    schedule.succeeded("a")
    schedule.add("a", due)
    schedule.pop(due)
    assert schedule.failed("a", due) == delays[0]


def test_events_bring_a_failing_key_forward_but_cannot_make_it_spin() -> None:
    schedule: Schedule[str] = Schedule(STEADY)
    now = 0.0
    visits = []
    for tick in range(6000):
        now = tick / 100
        schedule.add("a", now)
        if schedule.pop(now):
            visits.append(now)
            schedule.failed("a", now)
    assert len(visits) <= 15, visits
    assert max(b - a for a, b in itertools.pairwise(visits)) <= 5.01


def test_a_request_during_a_failing_visit_is_bound_by_the_backoff() -> None:
    schedule: Schedule[str] = Schedule(STEADY)
    schedule.add("a", 0.0)
    schedule.pop(0.0)
    schedule.add("a", 0.1)
    schedule.failed("a", 0.2)
    assert schedule.pop(1.1) is None
    assert schedule.pop(1.2) == "a"


def test_events_do_not_shorten_retry_after() -> None:
    schedule: Schedule[str] = Schedule(STEADY)
    schedule.add("a", 0.0)
    schedule.pop(0.0)
    assert schedule.failed("a", 0.0, at_least=30.0) == 30.0
    schedule.add("a", 1.0)
    assert schedule.pop(29.9) is None
    assert schedule.pop(30.0) == "a"


def test_a_failure_that_is_likely_over_is_retried_soon_but_backs_off() -> None:
    schedule: Schedule[str] = Schedule(STEADY)
    delays = []
    for _ in range(8):
        schedule.add("a", 0.0)
        now = schedule.next_due()
        assert now is not None
        schedule.pop(now)
        delays.append(schedule.failed("a", now, first=0.05))
    assert delays == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4]


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_a_delay_is_never_longer_than_the_cap_nor_shorter_than_the_first(
    n: int, draw: float
) -> None:
    assert 1.0 <= Backoff().delay(n, lambda: draw) <= 300.0


@pytest.mark.invariant
@given(st.lists(st.tuples(st.sampled_from(["add", "pop", "ok", "fail"]), st.integers(0, 3))))
def test_no_key_is_lost_and_none_is_held_twice(steps: list[tuple[str, int]]) -> None:
    schedule: Schedule[int] = Schedule(STEADY)
    held: set[int] = set()
    wanted: set[int] = set()
    now = 0.0
    for step, key in steps:
        now += 1.0
        if step == "add":
            schedule.add(key, now)
            wanted.add(key)
        elif step == "pop" and (popped := schedule.pop(now)) is not None:
            assert popped not in held
            held.add(popped)
            wanted.discard(popped)
        elif step == "ok" and key in held:
            schedule.succeeded(key)
            held.discard(key)
        elif step == "fail" and key in held:
            schedule.failed(key, now)
            held.discard(key)
            wanted.add(key)
    for key in held:
        schedule.succeeded(key)
    popped_at_end = set()
    while (popped := schedule.pop(now + 1000)) is not None:
        popped_at_end.add(popped)
    assert popped_at_end == wanted
    assert schedule.next_due() is None


async def _drain(queue: WorkQueue[str], visits: asyncio.Queue[str], gate: asyncio.Event) -> None:
    while True:
        key = await queue.get()
        visits.put_nowait(key)
        await gate.wait()
        queue.succeeded(key)


def test_workers_share_the_queue() -> None:
    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue(debounce=0.0)
        visits: asyncio.Queue[str] = asyncio.Queue()
        gate = asyncio.Event()
        workers = [asyncio.create_task(_drain(queue, visits, gate)) for _ in range(3)]
        async with asyncio.timeout(10):
            for key in ("a", "b", "a"):
                queue.add(key)
            assert {await visits.get(), await visits.get()} == {"a", "b"}
            queue.add("a")
            gate.set()
            assert await visits.get() == "a"
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        assert visits.empty()

    asyncio.run(scenario())
