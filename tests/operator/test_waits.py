"""Every wait has a deadline: whatever happens, the operator says so, or waits for a person.

A BookStore that is left alone with its faults must not wait in silence. After the longest of its
limits it has settled, its release has failed, it is Stalled, or it names the person it waits for.
"""

import copy
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bookstore_operator.core.reasons import WAITS_FOR_PERSON
from bookstore_operator.decide import decide
from tests.operator.test_properties import STEPS, Step, once
from tests.support.cases.stage_events import visit
from tests.support.examples import scaled
from tests.support.invariants import Invariants
from tests.support.world import World

pytestmark = pytest.mark.scenario

SHORT: dict[str, Any] = {
    "image": "api:1",
    "rollout": {
        "progressDeadlineSeconds": 60,
        "scaleDownDelaySeconds": 10,
        "watch": {"seconds": 30, "minRequests": 1},
        "rollbackWindowSeconds": 30,
    },
    "migration": {"timeoutSeconds": 60, "attempts": 2},
    "backup": {"schedule": "0 3 * * *", "timeoutSeconds": 60, "beforeMigration": "always"},
    "database": {"embedded": {"storage": {"size": "1Gi"}}},
}
LONGEST = timedelta(minutes=20)
"""Longer than all limits of SHORT in a row, with what is fixed: a drain of 375 s."""
PACE = timedelta(seconds=20)


def leave_alone(world: World, invariants: Invariants | None = None) -> World:
    """Let the operator and the controllers act until the longest limit has passed.

    The operator visits when it has asked for that, or when something changes, so a limit that it
    would miss shows too.
    """
    end = world.now + LONGEST
    while world.now < end:
        moves = world.step()
        if invariants:
            invariants.check(world)
        if not moves:
            assert decide(world.snapshot(), world.now).actions == (), "a settled plan is empty"
        world.wait((PACE if moves else end - world.now).total_seconds())
    return world


def check_nothing_waits_in_silence(world: World) -> None:
    """Check what people see: nothing is only waited for, but for a person."""
    if world.condition("Ready")[0] == "True":
        assert decide(world.snapshot(), world.now).actions == (), "a settled plan is empty"
    status, reason = world.condition("Reconciling")
    assert status == "False" or reason in WAITS_FOR_PERSON, world.message("Reconciling")
    if world.condition("Ready")[0] == "False" and status == "False":
        assert world.condition("Stalled")[0] == "True", world.message("Ready")


def grow_volume(world: World) -> None:
    """Ask for a larger volume, which nobody makes larger."""
    for claim in world.all("PersistentVolumeClaim"):
        claim["status"] = {"phase": "Bound", "capacity": {"storage": "1Gi"}}
    world.change(database={"embedded": {"storage": {"size": "2Gi"}}})


def freeze_endpoints(world: World) -> None:
    world.endpoints_follow = False


def delete_pvc(world: World) -> None:
    world.lose("PersistentVolumeClaim").lose("StatefulSet")


def own_by_former(world: World) -> None:
    """Let releases belong to a former BookStore whose deletion does not end."""
    former = {**world.store["metadata"], "name": "former", "uid": "former"}
    world.add({**world.store, "metadata": former})
    for release in world.all("BookStoreRelease"):
        release["metadata"]["ownerReferences"] = [{"kind": "BookStore", "uid": "former"}]


def scale_automatically(world: World) -> None:
    world.change(replicas=None, autoscaling={"minReplicas": 2, "maxReplicas": 9})


def autoscale(world: World) -> None:
    """An autoscaler sets another size of what it targets."""
    for scaler in world.all("HorizontalPodAutoscaler"):
        name = scaler["spec"]["scaleTargetRef"]["name"]
        if world.has("Deployment", name):
            world.get("Deployment", name)["spec"]["replicas"] = 5


def put_back(world: World) -> None:
    world.change(image="api:1")


def abort(world: World) -> None:
    for release in world.all("BookStoreRelease")[-1:]:
        release["spec"]["aborted"] = True


def roll_back(world: World) -> None:
    for release in world.all("BookStoreRelease")[:1]:
        release["spec"]["rollback"] = True


def hang(name: str) -> Step:
    """Let Jobs of a kind not end."""

    def set_hanging(world: World) -> None:
        if name in {"migration", "backup", "contracted"}:
            setattr(world, name, None)
        else:
            world.answers[name] = None

    return set_hanging


def suspend_jobs(world: World) -> None:
    for job in world.all("Job"):
        if not job.get("status", {}).get("conditions"):
            job["spec"]["suspend"] = True


def deaf(number: int) -> Step:
    def hide(world: World) -> None:
        world.traffic.unreadable[f"api:{number}"] = "it does not answer in time"

    return hide


HANGS = ("migration", "backup", "contracted", "contract", "check-schema", "smoke")
FAULTS = st.one_of(
    STEPS,
    st.sampled_from([grow_volume, freeze_endpoints, delete_pvc, suspend_jobs]),
    st.sampled_from([scale_automatically, autoscale, put_back, abort, roll_back]),
    st.sampled_from(HANGS).map(hang),
    st.integers(1, 4).map(deaf),
    once(lambda world: world.change(rollout={**SHORT["rollout"], "promotion": "Manual"})),
    *[st.integers(1, 12).map(lambda count: lambda world: world.steps(count))] * 3,
)


@cache
def _serving() -> World:
    return World(spec=SHORT, quick=False, limits=True).settle(200)


@pytest.mark.invariant
@settings(max_examples=scaled(20), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(installed=st.booleans(), faults=st.lists(FAULTS, max_size=15))
def test_whatever_lasts_is_reported_after_a_time_limit(installed: bool, faults: list[Step]) -> None:
    """With what must be so after each step: tests/support/invariants.py."""
    world, invariants = World(spec=SHORT, quick=False, limits=True), Invariants()
    if installed:
        world = copy.deepcopy(_serving())
    for fault in faults:
        fault(world)
        invariants.check(world)
    leave_alone(world, invariants)
    check_nothing_waits_in_silence(world)


EXTERNAL: dict[str, Any] = {"database": {"external": {"secretName": "pg"}}}


def _served(**spec: Any) -> World:
    return World(spec={**SHORT, **spec}, quick=False, limits=True).settle(200)


def database_away_at_install() -> World:
    world = World(spec=SHORT, quick=False, limits=True)
    world.database_up = False
    return world


def secret_missing_at_install() -> World:
    return World(spec={**SHORT, **EXTERNAL}, quick=False, limits=True)


def staff_secret_missing_at_install() -> World:
    return World(spec={**SHORT, "staff": {"secretName": "staff"}}, quick=False, limits=True)


def database_away() -> World:
    world = _served()
    world.database_up = False
    return world


def replaced_database_away() -> World:
    world = _served()
    delete_pvc(world)
    world.database_up = False
    return world


def replaced_database_hangs() -> World:
    world = _served()
    delete_pvc(world)
    world.migration = None
    return world


def pods_away() -> World:
    world = _served()
    world.broken = {"api:1"}
    return world


def volume_that_does_not_grow() -> World:
    world = _served()
    grow_volume(world)
    return world


def former_releases() -> World:
    world = _served()
    own_by_former(world)
    return world


def endpoints_that_do_not_follow() -> World:
    world = _served()
    freeze_endpoints(world)
    return world.change(image="api:2")


def unanswered(name: str) -> Callable[[], World]:
    def make() -> World:
        world = _served()
        hang(name)(world)
        return world.change(image="api:2")

    make.__name__ = f"{name}_without_answer"
    return make


def _migrating() -> World:
    world = _served()
    world.migration = None
    world.change(image="api:2").reach("Expand")
    return visit(world)


def suspended_migration_of_an_unwanted_release() -> World:
    world = _migrating()
    suspend_jobs(world)
    world.get("Job", "demo-r2-expand")["status"] = {"failed": 1}
    return world.change(image="api:3")


def cancelled_migration_that_is_kept() -> World:
    """A Job whose Pod never ran, and that a finalizer of somebody else keeps."""
    world = _migrating()
    job = world.get("Job", "demo-r2-expand")
    job["status"] = {}
    job["spec"]["suspend"] = True  # no Pod comes
    job["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x/y"]}
    world.get("BookStoreRelease", "demo-r2")["spec"]["aborted"] = True
    return world


WAITS = [
    (database_away_at_install, "DatabaseStarting"),
    (secret_missing_at_install, "DatabaseSecretMissing"),
    (staff_secret_missing_at_install, "StaffSecretMissing"),
    (database_away, "DatabaseStarting"),
    (replaced_database_away, "DatabaseReplaced"),
    (pods_away, "NoPodAvailable"),
    (volume_that_does_not_grow, "VolumeResizing"),
    (former_releases, "Releasing"),
    (endpoints_that_do_not_follow, "Switching"),
    (suspended_migration_of_an_unwanted_release, "MigrationSuspended"),
    (cancelled_migration_that_is_kept, "Migrating"),
    (unanswered("migration"), "MigrationFailed"),
    (unanswered("backup"), "BackupFailed"),
    (unanswered("contract"), "ProgressDeadlineExceeded"),
    (unanswered("check-schema"), "ProgressDeadlineExceeded"),
    (unanswered("smoke"), "ProgressDeadlineExceeded"),
]


@pytest.mark.parametrize(("make", "reason"), [pytest.param(*w, id=w[0].__name__) for w in WAITS])
def test_a_wait_is_reported_with_what_to_do(make: Callable[[], World], reason: str) -> None:
    world = leave_alone(make())
    assert world.condition("Stalled") == ("True", reason), world.message("Ready")
    message = world.message("Stalled")
    assert "kubectl " in message or "spec." in message
    assert world.condition("Reconciling")[0] == "False"
