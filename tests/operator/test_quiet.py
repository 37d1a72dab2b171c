"""A release that goes well is quiet; trouble counts only when it lasts."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from bookstore_operator.core.kinds import PODS
from bookstore_operator.core.plan import EventType
from bookstore_operator.core.reasons import WARNING_REASONS, Reason
from bookstore_operator.crd.stages import STAGES
from bookstore_operator.workloads.pod_problems import problem_of_pods
from bookstore_operator.workloads.thresholds import RESTARTS, THRESHOLDS
from tests.support.cases.failures import (
    CRASHING,
    GREEN,
    MIGRATION,
    UNPULLABLE,
    running,
    unscheduled,
    waiting,
)
from tests.support.quiet import ALWAYS
from tests.support.world import DESCRIBED, MIGRATED, Object, World

pytestmark = pytest.mark.scenario

FULL: dict[str, Any] = {
    "image": "api:1",
    "cache": {"embedded": {}},
    "backup": {"schedule": "0 3 * * *"},
    "autoscaling": {"minReplicas": 2, "maxReplicas": 9},
}
NO_NODE = unscheduled("0/1 nodes are available: 1 Insufficient memory.")
UNBOUND = unscheduled("pod has unbound immediate PersistentVolumeClaims.")
CHANGES = {
    "image": {"image": "api:2"},
    "config": {"config": {"drainSeconds": 7}},
    "resources and size": {"resources": {"requests": {"cpu": "1"}}, "replicas": 3},
}


def histories(world: World) -> Iterator[dict[str, tuple[str, str]]]:
    """Take steps until nothing changes; yield all conditions after each reconciliation."""
    for _ in range(300):
        before = len(world.done)
        world.reconcile()
        yield {c["type"]: (c["status"], c["reason"]) for c in world.store["status"]["conditions"]}
        done = len(world.done) > before
        if not (world.tick() or done):
            after = world.reconcile().requeue_after
            if after is None or after > timedelta(minutes=30):
                return
            world.now += after
    raise AssertionError("not settled")


def changes_of(seen: list[dict[str, tuple[str, str]]], kind: str) -> list[str]:
    """Return the statuses of a condition, one for each transition."""
    statuses = [conditions[kind][0] for conditions in seen]
    return [s for s, before in zip(statuses, ["", *statuses], strict=False) if s != before]


def test_database_migrated_is_false_while_a_release_migrates_the_schema() -> None:
    world = World(spec={"image": "api:1"}).settle()
    heads = {"expand": ["0002_more"], "contract": []}
    world.answers["contract api:2"] = {**DESCRIBED, "heads": heads}
    world.migration = {**MIGRATED, "schemaAfter": ["0001_books", "0002_more"]}
    seen = list(histories(world.change(image="api:2")))
    assert changes_of(seen, "DatabaseMigrated") == ["True", "False", "True"]


def test_no_job_is_made_twice_where_the_end_of_its_pod_is_seen_later() -> None:
    """Jobs and Pods are watched apart, so a Job's end can be seen before what its Pod says."""
    world = World(spec=FULL, pods_lag=True).settle()
    list(histories(world.change(image="api:2")))
    assert world.switches == ["demo-r1", "demo-r2"]
    assert [event for event in world.events if event.type is EventType.WARNING] == []
    for name in ("demo-r1", "demo-r2"):
        record = world.release(name)
        assert record["attempts"] == 1, record
        assert {check["attempt"] for check in record["checks"]} == {1}, record
    assert world.release("demo-r2")["backup"]["backup"], "its name is in its Pod's message"


@pytest.mark.parametrize("spec", [{"image": "api:1"}, FULL], ids=["plain", "full"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_good_release_has_no_warning_and_users_are_served_all_the_time(
    spec: dict[str, Any], change: dict[str, Any]
) -> None:
    if "autoscaling" in spec:
        change = {name: value for name, value in change.items() if name != "replicas"}
    world = World(spec={**spec, "replicas": 2} if "autoscaling" not in spec else spec).settle()
    world.events.clear()
    world.change(**change)
    seen = list(histories(world))
    assert world.condition("Ready") == ("True", "Serving")
    assert world.switches == ["demo-r1", "demo-r2"]

    assert [event for event in world.events if event.type is EventType.WARNING] == []
    assert {conditions["Available"] for conditions in seen} == {("True", "Serving")}
    assert {conditions["Stalled"][0] for conditions in seen} == {"False"}
    assert changes_of(seen, "Ready") == ["False", "True"]
    assert changes_of(seen, "DatabaseMigrated") == ["True"], "there is nothing to migrate"
    for kind in ("CacheHealthy", "BackupHealthy", "AutoscalingHealthy"):
        changes = changes_of(seen, kind)  # a first backup makes it True
        assert len(changes) == len(set(changes) - {"False"}), (kind, changes)

    events = Counter(event.reason for event in world.events)
    stages = {f"Stage{stage.name}" for stage in STAGES}
    assert {count for reason, count in events.items() if reason in stages} == {1}
    assert {f"Stage{name}" for name in ALWAYS} <= events.keys()
    assert {r for r in events if r.startswith("Release")} <= {"ReleasePromoted", "ReleaseSucceeded"}
    assert events.total() <= len(STAGES) + 7, "a stage each, two results, and what conditions say"


def test_a_first_install_that_goes_well_has_no_warning() -> None:
    world = World(spec=FULL)
    seen = list(histories(world))
    assert world.condition("Ready") == ("True", "Serving")
    assert [event for event in world.events if event.type is EventType.WARNING] == []
    assert changes_of(seen, "Available") == ["False", "True"]


def test_the_old_color_serves_until_the_endpoints_are_the_new_ones() -> None:
    world = World().settle()
    world.endpoints_follow = False
    world.change(image="api:2").reach("Watch").steps(3)
    assert world.get("Service", "demo")["spec"]["selector"]["bookstore.dev/revision"] == "2"
    assert world.condition("Available") == ("True", "Serving")
    assert "Revision 1 (blue)" in world.message("Available")
    world.endpoints_follow = True
    world.steps(2)
    assert "Revision 2 (green)" in world.message("Available")


def test_users_who_reach_no_pod_are_not_served_whatever_the_deployment_says() -> None:
    world = World().settle()
    world.endpoints_follow = False
    world.lose("EndpointSlice").reconcile()
    assert world.condition("Available") == ("False", "NotSwitched")
    assert "Service demo" in world.message("Available")


# Trouble that lasts, or not -----------------------------------------------------------------------

PASSING = {
    "a pull error": (GREEN, UNPULLABLE, Reason.IMAGE_PULL_FAILED, "no such image"),
    "a pull error of the migration": (
        *(MIGRATION, UNPULLABLE, Reason.IMAGE_PULL_FAILED),
        "no such image",
    ),
    "no room": (GREEN, NO_NODE, Reason.POD_UNSCHEDULABLE, "Insufficient memory"),
    "no room for the migration": (
        *(MIGRATION, NO_NODE, Reason.POD_UNSCHEDULABLE),
        "Insufficient memory",
    ),
    "a crash": (GREEN, CRASHING, Reason.POD_CRASHING, "no such setting"),
    "a missing reference": (
        GREEN,
        waiting("CreateContainerConfigError", 'secret "own" not found'),
        Reason.POD_NOT_STARTING,
        'secret "own" not found',
    ),
}


@pytest.mark.parametrize(("owner", "status", "reason", "cause"), PASSING.values(), ids=PASSING)
def test_trouble_is_named_from_the_beginning_and_counts_at_its_threshold(
    owner: str, status: Object, reason: Reason, cause: str
) -> None:
    world = World().settle()
    world.events.clear()
    world.ailing[owner] = status
    world.change(image="api:2")
    world.run_until(lambda w: cause in w.message("Ready"))
    began = world.now
    assert world.condition("Ready")[1] not in WARNING_REASONS, "only what is waited for"
    assert warnings(world) == []

    world.run_until(lambda w: w.condition("Ready") == ("False", reason))
    assert world.now - began <= THRESHOLDS[reason] + timedelta(seconds=1)
    assert warnings(world) == [reason]


@pytest.mark.parametrize(("owner", "status", "reason", "cause"), PASSING.values(), ids=PASSING)
def test_trouble_that_passes_before_its_threshold_is_no_problem(
    owner: str, status: Object, reason: Reason, cause: str
) -> None:
    world = World().settle()
    world.events.clear()
    world.ailing[owner] = status
    world.change(image="api:2")
    world.run_until(lambda w: cause in w.message("Ready"))
    world.wait(THRESHOLDS[reason].total_seconds() / 2).reconcile()
    world.ailing.clear()
    world.settle()
    assert world.condition("Ready") == ("True", "Serving")
    assert warnings(world) == []


def warnings(world: World) -> list[str]:
    return [event.reason for event in world.events if event.type is EventType.WARNING]


def test_a_claim_that_is_about_to_be_bound_is_no_problem_of_a_first_install() -> None:
    world = World(ailing={"StatefulSet/db": UNBOUND}).steps(1)
    world.run_until(lambda w: "unbound immediate" in w.message("Ready"))
    assert world.condition("Ready") == ("False", "DatabaseStarting")
    world.ailing.clear()
    world.settle()
    assert warnings(world) == []


def test_a_pod_that_was_restarted_often_crashes_however_new_it_is_not_ready() -> None:
    often = running(ended="Traceback\nValueError: no such setting\n")
    often["containerStatuses"][0]["restartCount"] = RESTARTS
    world = World().settle()
    world.ailing[GREEN] = often
    world.change(image="api:2")
    world.run_until(lambda w: "no such setting" in w.message("Ready"))
    assert world.condition("Ready") == ("False", "PodCrashing")


def test_the_time_of_trouble_is_that_of_the_pods_own_condition() -> None:
    """A Pod that was ready for a day and is not any more has its threshold before it."""
    world = World().settle()
    pod = world.get("Pod", "demo-blue-0")
    since = world.now + timedelta(days=1)
    ended = running(ended="Traceback\nValueError: no such setting\n")
    changed = {"type": "Ready", "status": "False", "lastTransitionTime": since.isoformat()}
    world.add({**pod, "status": {**ended, "conditions": [changed]}})
    snapshot = world.snapshot()
    creator = PODS.ref("demo-blue")

    def problem_after(seconds: float) -> bool:
        now = since + timedelta(seconds=seconds)
        problem = problem_of_pods(snapshot, pod["metadata"]["labels"], creator, now)
        assert problem is not None
        return problem.serious

    threshold = THRESHOLDS[Reason.POD_CRASHING].total_seconds()
    assert [problem_after(s) for s in (0, threshold - 1, threshold)] == [False, False, True]


@pytest.mark.parametrize("phase", ["Running", "Succeeded"])
def test_the_pod_of_a_job_that_ended_well_before_its_job_says_so_is_no_problem(phase: str) -> None:
    """The kubelet reports the end of a container seconds before the Job's condition is there."""
    world = World().settle()
    ended = waiting("", image="api:1")
    ended["containerStatuses"][0]["state"] = {"terminated": {"exitCode": 0}}
    pod = {
        **PODS.type_meta,
        "metadata": {
            "name": "demo-r1-expand-x",
            "uid": "uid-of-pod",
            "creationTimestamp": "2020-01-01T00:00:00Z",
            "labels": {
                "app.kubernetes.io/component": "migration",
                "batch.kubernetes.io/job-name": "demo-r1-expand",
                "bookstore.dev/release": "demo-r1",
            },
        },
        "status": {**ended, "phase": phase},
    }
    world.add(pod)
    assert problem_of_pods(world.snapshot(), {}, PODS.ref("x"), world.now) is None
