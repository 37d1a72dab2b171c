"""Reports wait for each other; records, and what people must know at once, do not."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from bookstore_operator.core.plan import Delete, Event, EventType, Plan, WriteStatus
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Blocker, Rejection
from bookstore_operator.decide import decide
from bookstore_operator.runtime.pacing import LONGEST_SECONDS, Pace, Paced, is_report
from tests.support.world import STORE_KEY, World

pytestmark = pytest.mark.scenario

PASSED = Event(STORE_KEY, EventType.NORMAL, "StageExpand", "demo-r1 is at stage Expand.")
NOT_READY = Event(STORE_KEY, EventType.WARNING, "PodsUnready", "Ready: 0 of 2 Pods are ready.")


@dataclass
class Paces:
    """A release in the simulated cluster, and a Pace with a clock of its own."""

    world: World = field(default_factory=World)
    seconds: float = 100.0

    def __post_init__(self) -> None:
        self.pace = Pace(clock=lambda: self.seconds)

    @property
    def plan(self) -> Plan:
        return decide(self.world.snapshot(), self.world.now)

    def apply(self, plan: Plan | None = None, **changes: Any) -> Paced:
        return self.pace.apply(plan or self.plan, replace(self.world.snapshot(), **changes))


def reports(plan: Plan) -> int:
    return sum(map(is_report, plan.actions))


def another_message(world: World) -> None:
    """Let the status say something else than the decision will."""
    for kind in ("BookStore", "BookStoreRelease"):
        for manifest in world.all(kind):
            status = manifest["status"]
            for holder in [*status.get("conditions", ()), status]:
                if "message" in holder:
                    holder["message"] = "something else"


def test_a_report_waits_while_a_visit_changes_other_objects() -> None:
    paces = Paces()
    whole = replace(paces.plan, events=(PASSED, NOT_READY), transitions=(NOT_READY,))
    assert reports(whole) == 1
    paced = paces.apply(whole)
    assert reports(paced.plan) == 0
    assert paced.held_seconds == LONGEST_SECONDS
    assert [a for a in whole.actions if not is_report(a)] == list(paced.plan.actions)
    assert paced.plan.events == (PASSED,), "a condition's event is posted with the status"


def test_a_report_that_waits_is_written_with_the_first_visit_that_changes_nothing_else() -> None:
    paces = Paces()
    paces.apply()
    report = Plan(tuple(filter(is_report, paces.plan.actions)), paces.plan.transitions)
    assert paces.apply(report) == Paced(report)


def test_a_report_waits_no_longer_than_two_seconds() -> None:
    paces = Paces()
    paces.apply()
    paces.seconds += LONGEST_SECONDS - 0.1
    assert reports(paces.apply().plan) == 0
    paces.seconds += 0.1
    assert paces.apply() == Paced(paces.plan)


def test_the_record_of_a_release_never_waits() -> None:
    paces = Paces()
    paces.world.reconcile()
    plan = paces.plan
    records = [a for a in plan.actions if isinstance(a, WriteStatus) and not is_report(a)]
    assert len(records) == 2, "the first Job is recorded before it is created, and when it was"
    assert [a for a in paces.apply(plan).plan.actions if isinstance(a, WriteStatus)] == records


@pytest.mark.parametrize(
    "changes",
    [
        {"rejection": Rejection(STORE_KEY, "Forbidden", "exceeded quota")},
        {"blocker": Blocker(Reason.SECRET_FORBIDDEN, "no")},
    ],
    ids=["rejection", "blocker"],
)
def test_what_keeps_a_release_is_reported_at_once(changes: dict[str, Any]) -> None:
    paces = Paces()
    assert reports(paces.apply(**changes).plan) == 1


def test_a_report_is_written_before_what_can_not_be_undone() -> None:
    paces = Paces()
    plan = replace(paces.plan, actions=(*paces.plan.actions, Delete(STORE_KEY, "uid", "", "")))
    assert paces.apply(plan) == Paced(plan)


def test_a_mere_message_waits_until_the_last_report_is_two_seconds_old() -> None:
    paces = Paces()
    paces.world.broken.add("api:1")
    paces.world.settle()
    another_message(paces.world)
    plan = paces.plan
    assert {a.key.kind for a in plan.actions if isinstance(a, WriteStatus)} == {
        "BookStore",
        "BookStoreRelease",
    }
    assert paces.apply(plan) == Paced(plan), "none was written before"
    paces.seconds += 0.5
    assert paces.apply(plan) == Paced(replace(plan, actions=()), LONGEST_SECONDS - 0.5)
    paces.seconds += LONGEST_SECONDS - 0.5
    assert paces.apply(plan) == Paced(plan)


@pytest.mark.parametrize(
    "change",
    [
        lambda status: status["conditions"][0].update(reason="Else"),
        lambda status: status["conditions"][0].update(status="Unknown"),
        lambda status: status.update(stage="Warm"),
        lambda status: status.update(replicas=17),
    ],
    ids=["reason", "status", "stage", "replicas"],
)
def test_all_but_messages_is_reported_at_once(change: Callable[[dict[str, Any]], None]) -> None:
    paces = Paces()
    paces.world.settle()
    paces.pace.written_at = paces.seconds
    change(paces.world.get("BookStore", "demo")["status"])
    assert reports(paces.plan) == 1
    assert reports(paces.apply().plan) == 1


def test_a_plan_without_a_report_is_executed_as_it_is() -> None:
    assert Paces().apply(Plan()) == Paced(Plan())
