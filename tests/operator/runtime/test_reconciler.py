"""When a BookStore is reconciled again, after each outcome of a reconciliation."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, cast

import pytest

from bookstore_operator import decide
from bookstore_operator.core.measurements import Measurement, PodScrape
from bookstore_operator.core.plan import ObjectRef, Plan, Scale
from bookstore_operator.core.snapshot import Contest, Rejection, Snapshot
from bookstore_operator.kube.client import ApiError
from bookstore_operator.kube.object_cache import StoreKey
from bookstore_operator.runtime.contests import Contests
from bookstore_operator.runtime.executor import RejectedError, StaleSnapshotError
from bookstore_operator.runtime.reconciler import Reconciler

pytestmark = pytest.mark.scenario

KEY = StoreKey("shop", "demo")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SCRAPE = PodScrape("uid-1", "demo-green-1", "10.0.0.1", slow_seconds=1.0)
SCALE = Scale("demo-green", 2, "Scale", "to match the active color")
PLAN = Plan((SCALE,), requeue_after=timedelta(seconds=30), measurements=(SCRAPE,))
REJECTION = Rejection(ObjectRef("v1", "Service", "demo"), "Forbidden", "exceeded quota")


@dataclass
class Rig:
    """Stands in for the API server: returns the same snapshot and the same outcome every time."""

    outcome: int | Exception = 0
    exists: bool = True
    calls: list[tuple[str, float]] = field(default_factory=list)
    decided_on: list[Snapshot] = field(default_factory=list)
    measured: tuple[Measurement, ...] = ()

    @property
    def contests(self) -> Contests:
        return Contests()

    async def snapshot(
        self, _: StoreKey, rejection: Rejection | None, __: tuple[Contest, ...]
    ) -> Snapshot | None:
        return Snapshot(cast("Any", None), rejection=rejection) if self.exists else None

    def measure(self, _: StoreKey, wanted: tuple[Measurement, ...]) -> None:
        self.measured = wanted

    async def execute(self, plan: Plan, _: StoreKey) -> int:
        if not isinstance(self.outcome, Exception):
            return self.outcome
        if plan == PLAN:
            raise self.outcome
        return 0

    def add(self, _: StoreKey, after: float | None = None) -> None:
        self.calls.append(("add", after or 0.0))

    def succeeded(self, _: StoreKey) -> None:
        self.calls.append(("succeeded", 0.0))

    def failed(self, _: StoreKey, at_least: float = 0.0, first: float | None = None) -> float:
        self.calls.append(("failed", at_least if first is None else first))
        return at_least

    def visit(self, reconciler: Reconciler, times: int = 1) -> list[tuple[str, float]]:
        self.calls.clear()
        for _ in range(times):
            asyncio.run(reconciler.visit(KEY))
        return self.calls


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    rig = Rig()

    def record_decision(snapshot: Snapshot, _: datetime) -> Plan:
        rig.decided_on.append(snapshot)
        return PLAN

    monkeypatch.setattr(decide, "decide", record_decision)
    return rig


def reconciler_of(rig: Rig) -> Reconciler:
    part = cast("Any", rig)
    return Reconciler(part, part, part, part, now=lambda: NOW)


def test_a_quiet_bookstore_is_visited_when_its_plan_says(rig: Rig) -> None:
    assert rig.visit(reconciler_of(rig)) == [("succeeded", 0.0), ("add", 30.0)]


def test_a_write_is_followed_by_another_visit_at_once(rig: Rig) -> None:
    rig.outcome = 1
    assert rig.visit(reconciler_of(rig)) == [("succeeded", 0.0), ("add", 0.1)]


def test_endless_writes_are_slowed_down(rig: Rig) -> None:
    rig.outcome = 1
    calls = rig.visit(reconciler_of(rig), times=41)
    assert [name for name, _ in calls].count("failed") == 10


def test_many_steps_one_after_the_other_are_not_slowed_down(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As 100 Pods that become available one by one, or a dozen of releases in a row."""
    rig.outcome = 1
    steps = count()

    def step(_: Snapshot, __: datetime) -> Plan:
        scale = Scale("demo-green", next(steps), "Scale", "to match the active color")
        return replace(PLAN, actions=(scale,))

    monkeypatch.setattr(decide, "decide", step)
    reconciler = reconciler_of(rig)
    calls = rig.visit(reconciler, times=100)
    assert [name for name, _ in calls].count("failed") == 0
    calls = rig.visit(reconciler, times=1000)
    assert [name for name, _ in calls].count("failed") == 100, "and yet not for ever"


@pytest.mark.parametrize(
    ("error", "at_least"),
    [
        (StaleSnapshotError("changed"), 0.05),
        (ApiError(500, "InternalError", "etcd is down"), 0.0),
        (ApiError(429, "TooManyRequests", "later", retry_after=17), 17.0),
        (ApiError(0, "Unreachable", "no answer"), 0.0),
        (KeyError("a bug"), 0.0),
        (RejectedError(REJECTION), 0.0),
    ],
)
def test_every_failure_is_retried_with_backoff(rig: Rig, error: Exception, at_least: float) -> None:
    rig.outcome = error
    assert rig.visit(reconciler_of(rig)) == [("failed", at_least)]


def test_a_rejection_is_in_the_snapshot_until_the_write_succeeds(rig: Rig) -> None:
    reconciler = reconciler_of(rig)
    rig.outcome = RejectedError(REJECTION)
    rig.visit(reconciler, times=2)
    rig.outcome = 0
    assert rig.visit(reconciler, times=2) == [
        ("succeeded", 0.0),
        ("add", 0.1),
        ("succeeded", 0.0),
        ("add", 30.0),
    ]
    seen = [snapshot.rejection for snapshot in rig.decided_on]
    assert seen == [None, REJECTION, REJECTION, REJECTION, None], "the second reports it"


def test_a_deleted_bookstore_is_forgotten(rig: Rig) -> None:
    rig.exists = False
    assert rig.visit(reconciler_of(rig)) == [("succeeded", 0.0)]


def test_what_a_plan_asks_for_is_measured_until_its_bookstore_is_gone(rig: Rig) -> None:
    reconciler = reconciler_of(rig)
    rig.visit(reconciler)
    assert list(rig.measured) == [SCRAPE]
    rig.exists = False
    rig.visit(reconciler)
    assert list(rig.measured) == []
