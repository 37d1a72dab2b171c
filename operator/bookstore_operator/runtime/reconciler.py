"""Reconcile BookStores: observe, decide, execute, and schedule the next visit."""

import asyncio
import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime

from bookstore_operator import decide
from bookstore_operator.core.kinds import BOOKSTORES
from bookstore_operator.core.plan import Plan, WriteStatus
from bookstore_operator.core.snapshot import Rejection, Snapshot
from bookstore_operator.kube.client import ApiError
from bookstore_operator.kube.events import Recorder
from bookstore_operator.kube.object_cache import StoreKey
from bookstore_operator.runtime.executor import Executor, RejectedError, StaleSnapshotError
from bookstore_operator.runtime.observer import Observer
from bookstore_operator.runtime.workqueue import WorkQueue

logger = logging.getLogger(__name__)

RESYNC_SECONDS = 600.0
_VISIT_SECONDS = 120.0
_AGAIN_SECONDS = 0.05
_MAX_ROUNDS = 30
"""The most visits in a row that each change something: no release needs that many."""


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
        self._observer = observer
        self._executor = executor
        self._recorder = recorder
        self._queue = queue
        self._now = now
        self._rejections: dict[StoreKey, Rejection] = {}
        self._rounds: dict[StoreKey, int] = {}

    async def work(self) -> None:
        """Visit BookStores from the queue, one at a time, for ever."""
        while True:
            key = await self._queue.get()
            await self.visit(key)

    def enqueue(self, key: StoreKey) -> None:
        """Add a BookStore to the queue, because it or an object of it has changed."""
        self._queue.add(key)

    async def visit(self, key: StoreKey) -> None:
        """Reconcile a BookStore once and schedule the next visit."""
        try:
            async with asyncio.timeout(_VISIT_SECONDS):
                await self._reconcile(key)
        except StaleSnapshotError as error:
            logger.debug("Looking again: %s", error, extra={"store": str(key)})
            self._queue.failed(key, first=_AGAIN_SECONDS)
        except RejectedError as error:
            await self._rejected(key, error.rejection)
        except ApiError as error:
            self._failed(key, error.message, error.retry_after or 0.0)
        except TimeoutError:
            self._failed(key, f"The reconciliation took longer than {_VISIT_SECONDS:.0f} s.")
        except Exception:
            logger.exception("Unhandled exception while reconciling", extra={"store": str(key)})
            self._queue.failed(key)

    async def _reconcile(self, key: StoreKey) -> None:
        snapshot = await self._observe(key)
        if snapshot is None:
            self._forget(key)
            return
        plan = decide.decide(snapshot, self._now())
        changes = await self._executor.execute(plan, key)
        for event in plan.events:
            await self._recorder.post(event, key)
        if self._rejections.pop(key, None) is not None:
            changes += 1  # the condition about the rejection has to be removed
        self._come_again(key, plan, changes)

    async def _observe(self, key: StoreKey) -> Snapshot | None:
        return await self._observer.snapshot(key, self._rejections.get(key))

    def _come_again(self, key: StoreKey, plan: Plan, changes: int) -> None:
        self._rounds[key] = self._rounds.get(key, 0) + 1 if changes else 0
        if self._rounds[key] > _MAX_ROUNDS:
            message = (
                "Every reconciliation changes something: another program may be changing the "
                "objects that the operator manages."
            )
            self._failed(key, message)
            return
        self._queue.succeeded(key)
        delays = [RESYNC_SECONDS * random.uniform(0.9, 1.1)]  # noqa: S311 - spreads load, no secret
        if plan.requeue_after is not None:
            delays.append(max(0.0, plan.requeue_after.total_seconds()))
        if changes:
            delays.append(_AGAIN_SECONDS)
        self._queue.add(key, after=min(delays))

    async def _rejected(self, key: StoreKey, rejection: Rejection) -> None:
        """Report a rejected write in the BookStore's status, and retry with a growing delay."""
        first = self._rejections.get(key) != rejection
        self._rejections[key] = rejection
        message = (
            f"The API server rejects {rejection.target.kind} {rejection.target.name}: "
            f"{rejection.message}"
        )
        if first:
            await self._report_rejection(key)
        delay = self._queue.failed(key)
        logger.log(
            logging.WARNING if first else logging.INFO,
            "%s Retrying in %.0f s.",
            message,
            delay,
            extra={"store": str(key), "reason": rejection.reason},
        )

    async def _report_rejection(self, key: StoreKey) -> None:
        """Write the BookStore's status and Events about a rejected write, and nothing else."""
        try:
            snapshot = await self._observe(key)
            if snapshot is None:
                return
            plan = decide.decide(snapshot, self._now())
            statuses = tuple(
                action
                for action in plan.actions
                if isinstance(action, WriteStatus) and action.key.kind == BOOKSTORES.kind
            )
            await self._executor.execute(Plan(actions=statuses), key)
            for event in plan.events:
                if event.regarding.kind == BOOKSTORES.kind:
                    await self._recorder.post(event, key)
        except (ApiError, RejectedError, StaleSnapshotError) as error:
            message = f"Could not report the rejection in the status: {error}"
            logger.info("%s", message, extra={"store": str(key)})

    def _failed(self, key: StoreKey, message: str, at_least: float = 0.0) -> None:
        delay = self._queue.failed(key, at_least)
        logger.warning(
            "%s Retrying in %.0f s.", message, max(delay, at_least), extra={"store": str(key)}
        )

    def _forget(self, key: StoreKey) -> None:
        self._rejections.pop(key, None)
        self._rounds.pop(key, None)
        self._queue.succeeded(key)
