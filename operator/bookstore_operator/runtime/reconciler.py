"""Reconcile BookStores: observe, decide, execute, and schedule the next visit."""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum

from bookstore_operator import decide
from bookstore_operator.core.kinds import BOOKSTORES
from bookstore_operator.core.plan import Event, Plan, WriteStatus
from bookstore_operator.core.snapshot import Rejection, Snapshot
from bookstore_operator.kube.events import Recorder
from bookstore_operator.kube.object_cache import StoreKey
from bookstore_operator.runtime.executor import Executor
from bookstore_operator.runtime.failure import Failure, failure_of
from bookstore_operator.runtime.observer import Observer
from bookstore_operator.runtime.pacing import Pace, Paced, needs_another_visit
from bookstore_operator.runtime.workqueue import WorkQueue
from bookstore_operator.status.unobserved import report_unobserved

logger = logging.getLogger(__name__)

RESYNC_SECONDS = 600.0
_VISIT_SECONDS = 120.0
_REPORT_SECONDS = 60.0
_AGAIN_SECONDS = 0.1
"""A visit that has changed something is followed by another, which its events can join."""
_MAX_REPEATS = 30
"""The most visits in a row that each change something, and nothing that is new among them."""
_MAX_ROUNDS = 1000
"""The most visits in a row that each change something, whatever it is: releases need fewer."""


class Outcome(StrEnum):
    """How a visit has ended."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    GONE = "gone"
    FAILED = "failed"


@dataclass(slots=True)
class _Memory:
    """What the Reconciler remembers of a BookStore from visit to visit."""

    changed: Counter[int] = field(default_factory=Counter)
    """The Plans of the visits in a row that each changed something, by a hash, and how often."""
    failures: int = 0
    """The number of failed visits in a row."""
    since: datetime | None = None
    """When the first of them was."""
    rejection: Rejection | None = None
    """What is reported; in each Snapshot until a visit succeeds."""
    pace: Pace = field(default_factory=Pace)
    reported: str = ""
    """The message that is in the status; empty if none is."""


def _ignore(*_: object) -> None: ...


class Reconciler:
    """Visits BookStores in the order of the work queue."""

    def __init__(
        self,
        observer: Observer,
        executor: Executor,
        recorder: Recorder,
        queue: WorkQueue[StoreKey],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.on_visit: Callable[[StoreKey, Outcome, float], None] = _ignore
        """Called after each visit with how it ended and its seconds."""
        self._observer = observer
        self._executor = executor
        self._recorder = recorder
        self._queue = queue
        self._now = now
        self._memories: dict[StoreKey, _Memory] = {}

    async def work(self) -> None:
        """Visit BookStores from the queue, one at a time, for ever."""
        while True:
            key = await self._queue.get()
            try:
                await self.visit(key)
            except Exception:  # a mistake in the handling of failures itself
                logger.exception("Unhandled exception after a failure", extra={"store": str(key)})
                self._queue.failed(key)

    def enqueue(self, key: StoreKey) -> None:
        """Add a BookStore to the queue, because it or an object of it has changed."""
        self._queue.add(key)

    async def visit(self, key: StoreKey) -> None:
        """Reconcile a BookStore once and schedule the next visit. Raises nothing."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(_VISIT_SECONDS):
                outcome = await self._reconcile(key)
        except Exception as error:  # noqa: BLE001 - classified; what one BookStore holds ends nothing
            outcome = Outcome.FAILED
            await self._failed(key, error)
        self.on_visit(key, outcome, time.monotonic() - started)

    async def _reconcile(self, key: StoreKey) -> Outcome:
        snapshot = await self._observe(key)
        if snapshot is None:
            self._memories.pop(key, None)
            self._observer.measure(key, ())
            self._queue.succeeded(key)
            return Outcome.GONE
        plan = decide.decide(snapshot, self._now())
        self._observer.measure(key, plan.measurements)
        memory = self._memory(key)
        paced = memory.pace.apply(plan, snapshot)
        plan = paced.plan
        changes = await self._executor.execute(plan, key)
        outcome = Outcome.CHANGED if changes else Outcome.UNCHANGED
        await self._post(key, plan.events)
        was_reported = memory.reported or memory.rejection
        is_outdated = was_reported or self._executor.contests.of(key) != snapshot.contests
        if is_outdated:
            changes += 1  # a condition has to be removed or added
        memory.failures, memory.since, memory.rejection, memory.reported = 0, None, None, ""
        again = changes > 0 and (bool(is_outdated) or needs_another_visit(plan, snapshot))
        self._come_again(key, paced, changes, again=again)
        return outcome

    async def _observe(self, key: StoreKey) -> Snapshot | None:
        contests = self._executor.contests.of(key)
        return await self._observer.snapshot(key, self._memory(key).rejection, contests)

    def _memory(self, key: StoreKey) -> _Memory:
        return self._memories.setdefault(key, _Memory())

    def _come_again(self, key: StoreKey, paced: Paced, changes: int, *, again: bool) -> None:
        plan = paced.plan
        if self._is_endless(key, plan, changes):
            delay = self._queue.failed(key)
            logger.warning(
                "Every reconciliation changes something: another program may be changing the "
                "objects that the operator manages. Retrying in %.0f s.",
                delay,
                extra={"store": str(key)},
            )
            return
        self._queue.succeeded(key)
        delays = [RESYNC_SECONDS * random.uniform(0.9, 1.1)]  # noqa: S311 - spreads load, no secret
        if plan.requeue_after is not None:
            delays.append(max(0.0, plan.requeue_after.total_seconds()))
        if contest_over := self._executor.contests.next_look(key):
            delays.append(max(0.0, (contest_over - self._now()).total_seconds()))
        if paced.held_seconds is not None:
            delays.append(paced.held_seconds)
        if again:
            delays.append(_AGAIN_SECONDS)
        self._queue.add(key, after=min(delays))

    def _is_endless(self, key: StoreKey, plan: Plan, changes: int) -> bool:
        """Whether visits change the same again and again, with no visit that changes nothing.

        Many releases one after the other, or many Pods that become available one by one, change
        something in each visit, too; but not the same.
        """
        changed = self._memory(key).changed
        if not changes:
            changed.clear()
            return False
        changed[hash(repr(plan.actions))] += 1
        return changed.total() - len(changed) > _MAX_REPEATS or changed.total() > _MAX_ROUNDS

    async def _post(self, key: StoreKey, events: tuple[Event, ...]) -> None:
        """Post events: best effort, and at the same time, for nothing depends on their order."""
        posts = (self._recorder.post(event, key) for event in events)
        for problem in await asyncio.gather(*posts, return_exceptions=True):
            if isinstance(problem, Exception):
                logger.error("Could not post an Event", exc_info=problem, extra={"store": str(key)})

    # Failures ------------------------------------------------------------------------------

    async def _failed(self, key: StoreKey, error: Exception) -> None:
        """Report the failure of a visit in the BookStore's status, and retry, ever less often."""
        delay = 0.0
        failure = failure_of(error, key)
        memory = self._memory(key)
        memory.failures += 1
        memory.since = memory.since or self._now()
        is_new = memory.reported != failure.answer.message
        try:
            if memory.failures >= failure.report_after:
                await self._report(key, failure, memory)
        except Exception as problem:  # noqa: BLE001 - a report is best effort
            message = f"Could not report a failure in the status: {problem or 'timed out'}"
            logger.info("%s", message, extra={"store": str(key)})
        finally:
            delay = self._queue.failed(key, failure.at_least, failure.first)
        logger.log(
            failure.level if is_new or failure.report_after > 1 else logging.INFO,
            "%s Retrying in %.3g s.",
            failure.message,
            max(delay, failure.at_least),
            extra={"store": str(key), "reason": failure.answer.reason},
            exc_info=error if failure.unexpected else None,
        )

    async def _report(self, key: StoreKey, failure: Failure, memory: _Memory) -> None:
        """Write the BookStore's status and Events about a failure, and nothing else."""
        if failure.rejection is not None:
            memory.rejection = replace(failure.rejection, since=memory.since)
        if memory.reported == failure.answer.message:
            return
        async with asyncio.timeout(_REPORT_SECONDS):
            plan = await self._plan_of_report(key, failure)
            statuses = tuple(
                action
                for action in plan.actions
                if isinstance(action, WriteStatus) and action.key.kind == BOOKSTORES.kind
            )
            events = (event for event in plan.events if event.regarding.kind == BOOKSTORES.kind)
            await self._post(key, tuple(events))  # first: the status may be what is rejected
            await self._executor.execute(Plan(actions=statuses), key)
        memory.reported = failure.answer.message  # only now: what was rejected is tried again

    async def _plan_of_report(self, key: StoreKey, failure: Failure) -> Plan:
        """Return what to report: by a decision, or else by the object itself."""
        if failure.rejection is not None and not failure.unexpected:
            try:
                snapshot = await self._observe(key)
                return decide.decide(snapshot, self._now()) if snapshot else Plan()
            except Exception:  # noqa: BLE001 - what failed may have been the observation
                logger.debug("Reporting without a Snapshot.", extra={"store": str(key)})
        manifest = self._observer.bookstore(key)
        return report_unobserved(manifest, failure.answer, self._now()) if manifest else Plan()
