"""Every failure in memory: its message, that the active color is not touched, and that it recovers.

The same on a real control plane: tests/cluster/test_failures.py.
"""

import copy
from typing import Any

import pytest

from bookstore_operator.core.plan import (
    Action,
    Apply,
    EventType,
    ObjectRef,
    Scale,
    WriteStatus,
)
from bookstore_operator.core.snapshot import Contest, Rejection
from bookstore_operator.decide import decide
from bookstore_operator.runtime.workqueue import Backoff, Schedule
from tests.support.cases.failures import (
    BLUE,
    CHECK,
    CRASHING,
    CREATING,
    FAILURES,
    GREEN,
    MIGRATION,
    PULL_SECRETS,
    SECRETS,
    TRACEBACK,
    UNPULLABLE,
    Blocked,
    Contested,
    Failure,
    Fault,
    LastBackup,
    MetricsMissing,
    MigrationEnds,
    MigrationHangs,
    NoBackups,
    NoNodeFits,
    Played,
    PodsFail,
    PodsForbidden,
    SecretHas,
    SecretMalformed,
    Unavailable,
    WriteRejected,
    running,
    unscheduled,
    waiting,
)
from tests.support.world import MIGRATED, Object, World

pytestmark = pytest.mark.scenario

JOB = ObjectRef("batch/v1", "Job", "demo-r2-expand")
NO_NODE = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
IN_MEMORY = {name: case for name, case in FAILURES.items() if case.played is not Played.CLUSTER}


def begin(world: World, fault: Fault) -> None:
    """Let a fault of Pods or migrations begin, or of anything else."""
    match fault:
        case PodsFail(owner, status, event=event):
            world.ailing[owner] = status
            if event:
                world.warned[ObjectRef("v1", "Pod", "demo-green-x")] = event
        case NoNodeFits():
            world.ailing[CHECK] = unscheduled(NO_NODE)
        case PodsForbidden(owner, message) if owner == MIGRATION:
            world.migration = None
            world.warned[JOB] = message
        case PodsForbidden(owner, message):
            world.refused[owner] = message
        case Unavailable(image):
            world.broken.add(image)
        case MigrationEnds(code, message):
            world.migration = {"command": "migrate", "code": code, "message": message}
        case MigrationHangs():
            world.migration = None
        case _:
            begin_in_objects(world, fault)


def begin_in_objects(world: World, fault: Fault) -> None:
    """Let a fault of anything but Pods and migrations begin."""
    match fault:
        case WriteRejected(reason, message, cause):
            target = ObjectRef("v1", "Service", "demo-db")
            world.rejection = Rejection(target, reason, message, cause)
        case Blocked(blocker):
            world.blocker = blocker
        case Contested(message):
            world.contests = (Contest(ObjectRef("v1", "Service", "demo"), message),)
        case SecretHas(name, keys):
            set_secret(world, name, keys)
        case SecretMalformed(name, reasons):
            world.malformed[name] = reasons
        case MetricsMissing():
            set_metrics(world, available=False)
        case NoBackups(days):
            world.wait(days * 86400)
        case LastBackup(at):
            set_last_backup(world, at)
        case _:
            raise TypeError(fault)


def end(world: World, fault: Fault) -> None:
    """Let whatever `begin` began be over."""
    for faults in (world.ailing, world.refused, world.broken, world.malformed):
        faults.clear()
    world.migration = MIGRATED
    world.rejection, world.blocker, world.contests = None, None, ()
    match fault:
        case SecretHas(name, right=right):
            set_secret(world, name, right)
        case MetricsMissing():
            set_metrics(world, available=True)
        case NoBackups() | LastBackup():
            set_last_backup(world, world.now.strftime("%Y-%m-%dT%H:%M:%SZ"))


def set_secret(world: World, name: str, keys: frozenset[str] | None) -> None:
    world.secrets.pop(name, None)
    if keys is not None:
        world.secrets[name] = keys


def set_last_backup(world: World, at: str) -> None:
    world.get("CronJob", "demo-backup")["status"] = {"lastSuccessfulTime": at}


def set_metrics(world: World, available: bool, since: str = "2026-01-01T00:00:00Z") -> None:
    """Let the autoscaler have had metrics, or none, since a time."""
    active: dict[str, Any] = {"type": "ScalingActive", "lastTransitionTime": since}
    if available:
        active["status"] = "True"
    else:
        cause = "the server could not find the requested resource (get pods.metrics.k8s.io)"
        active |= {"status": "False", "reason": "FailedGetResourceMetric", "message": cause}
    world.get("HorizontalPodAutoscaler", "demo")["status"] = {"conditions": [active]}


def is_reported(world: World, case: Failure) -> bool:
    """Whether the condition has the reason, the object, the cause and what to do."""
    expected = (case.status, case.reason)
    return world.condition(case.condition) == expected and _tells(
        case, world.message(case.condition)
    )


def has_warned(world: World, case: Failure) -> bool:
    """Whether a Warning event has the reason, the object, the cause and what to do."""
    warnings = [event for event in world.events if event.type is EventType.WARNING]
    return any(event.reason == case.reason and _tells(case, event.message) for event in warnings)


def _tells(case: Failure, message: str) -> bool:
    return case.is_told_by(message, "demo", "api:2", cause=True)


def serving_specs(world: World) -> dict[str, Any]:
    """Return the specs of the active Deployment and of the Service."""
    blue = world.get("Deployment", "demo-blue")
    service = world.get("Service", "demo")
    return copy.deepcopy({"service": service["spec"], "blue": blue["spec"]})


def ready(spec: dict[str, Any]) -> World:
    """Return a BookStore that is ready at revision 1, with the Secrets that users provide."""
    world = World(spec={"image": "api:1", **spec}, pull_secrets=dict(PULL_SECRETS))
    world.secrets |= SECRETS
    return world.settle()


@pytest.mark.parametrize("case", IN_MEMORY.values(), ids=IN_MEMORY)
def test_a_failure_is_reported_harms_nothing_and_recovers(case: Failure) -> None:
    world = ready({"rollout": {"progressDeadlineSeconds": 86400}, **case.spec})
    serving = serving_specs(world)
    world.events.clear()
    begin(world, case.fault)
    if case.releases:
        world.change(image="api:2")
    try:
        world.run_until(lambda w: is_reported(w, case), rounds=100)
    except AssertionError:
        pytest.fail(f"{world.condition(case.condition)} {world.message(case.condition)}")

    assert has_warned(world, case) is case.warns, world.events
    assert serving_specs(world) == serving
    if case.serving:
        assert world.condition("Available") == ("True", "Serving")
    if case.condition == "CacheHealthy":
        assert world.condition("Ready") == ("True", "Serving")

    costs = an_hour_of(world)
    assert len(costs) <= case.writes, [action.message for action in costs]
    assert not [action for action in costs if isinstance(action, Scale)]
    assert serving_specs(world) == serving

    end(world, case.fault)
    world.settle(100)
    assert world.condition("Ready") == ("True", "Serving")
    assert world.condition("Stalled")[0] == "False"
    assert world.store["status"]["active"]["image"] == ("api:2" if case.releases else "api:1")


def an_hour_of(world: World) -> list[Action]:
    """Reconcile as often as the operator would in an hour; returns the executed actions."""
    while world.reconcile().actions or world.tick():
        pass  # the direct consequences of the failure
    done, end, visits = len(world.done), world.now.timestamp() + 3600, 0
    while world.now.timestamp() < end:
        plan = world.reconcile()
        changed = world.tick()
        visits += 1
        if plan.requeue_after is None and not plan.actions and not changed:
            break  # only an event would start another visit
        if not plan.actions and not changed and plan.requeue_after:
            if (world.now + plan.requeue_after).timestamp() > end:
                break
            world.now += plan.requeue_after
    assert visits <= 3600 / 10 + 20, "every ten seconds at most"
    return world.done[done:]


def test_a_first_release_recovers_from_a_failure() -> None:
    world = World(ailing={BLUE: CRASHING})
    world.run_until(lambda w: w.condition("Ready") == ("False", "PodCrashing"))
    world.wait(700)
    world.run_until(lambda w: w.condition("Stalled") == ("True", "ProgressDeadlineExceeded"))
    assert "ValueError: no such setting" in world.message("Stalled")
    assert not world.has("Service", "demo"), "nobody is sent to it"
    world.ailing.clear()
    world.settle()
    assert world.condition("Ready") == ("True", "Serving")


def test_a_failed_release_reports_the_cause_and_removes_its_pods() -> None:
    world = ready({})
    world.ailing[GREEN] = UNPULLABLE
    world.change(image="api:2")
    world.run_until(lambda w: w.condition("Stalled") == ("True", "ProgressDeadlineExceeded"))
    assert "can't be pulled" in world.message("Stalled")
    world.settle()
    assert world.replicas("green") == 0
    assert world.condition("Available") == ("True", "Serving")


@pytest.mark.parametrize(
    ("reason", "states"),
    [
        (
            "ImagePullFailed",
            (
                waiting("ErrImagePull", "rpc error: not found"),
                waiting(
                    "ImagePullBackOff",
                    'Back-off pulling image "api:2": ErrImagePull: rpc error: not found',
                ),
            ),
        ),
        (
            "PodCrashing",
            (
                waiting("CrashLoopBackOff", "back-off 10s restarting", ended=TRACEBACK),
                waiting("CrashLoopBackOff", "back-off 5m0s restarting", ended=TRACEBACK),
                running(ended=TRACEBACK),
            ),
        ),
    ],
)
def test_alternating_states_have_the_same_message(reason: str, states: tuple[Object, ...]) -> None:
    world = ready({})
    world.change(image="api:2")
    world.ailing[GREEN] = states[0]
    world.run_until(lambda w: w.condition("Ready")[1] == reason)
    an_hour_of(world)
    done = len(world.done)
    for status in (states[1], *states):
        world.ailing[GREEN] = status
        world.tick()
        world.reconcile()
    assert world.done[done:] == []


def test_a_second_event_is_posted_only_for_another_problem() -> None:
    world = ready({})
    world.change(image="api:2")
    world.ailing[GREEN] = UNPULLABLE
    world.run_until(lambda w: w.condition("Ready") == ("False", "ImagePullFailed"))
    world.ailing[GREEN] = CRASHING
    world.run_until(lambda w: w.condition("Ready") == ("False", "PodCrashing"))
    reasons = [e.reason for e in world.events if e.type is EventType.WARNING]
    assert reasons == ["ImagePullFailed", "PodCrashing"]


def test_metrics_may_take_a_minute() -> None:
    world = ready({"autoscaling": {"maxReplicas": 5}})
    set_metrics(world, available=False, since=world.now.strftime("%Y-%m-%dT%H:%M:%SZ"))
    plan = world.reconcile()
    assert world.condition("AutoscalingHealthy") == ("Unknown", "WaitingForMetrics")
    assert "pods.metrics.k8s.io" in world.message("AutoscalingHealthy")
    assert world.condition("Ready") == ("True", "Serving")
    assert plan.requeue_after is not None
    world.now += plan.requeue_after
    world.reconcile()
    assert world.condition("AutoscalingHealthy") == ("False", "NoMetrics")
    assert world.condition("Ready") == ("True", "Serving")


def test_an_autoscaler_with_metrics_is_healthy() -> None:
    world = ready({"autoscaling": {"maxReplicas": 5}})
    assert world.condition("AutoscalingHealthy") == ("Unknown", "WaitingForMetrics")
    set_metrics(world, available=True)
    world.reconcile()
    assert world.condition("AutoscalingHealthy") == ("True", "MetricsKnown")


def test_unexplained_objects_are_read_at_growing_intervals() -> None:
    world = ready({})
    begin(world, FAILURES["quota-for-the-migration"].fault)
    world.change(image="api:2")
    world.run_until(lambda w: w.condition("Ready")[1] == "PodCreationForbidden")
    waits = []
    for _ in range(20):
        after = world.reconcile().requeue_after
        assert after is not None
        waits.append(after.total_seconds())
        world.now += after
    assert waits == sorted(waits)
    assert waits[0] <= 3
    assert waits[-1] == 60


def test_a_rejected_write_is_retried_at_growing_intervals() -> None:
    backoff = Backoff()
    delays = [backoff.delay(failures, lambda: 0.0) for failures in range(1, 12)]
    assert delays == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    schedule: Schedule[str] = Schedule(backoff)
    tries, now = 0, 0.0
    schedule.add("demo", now)
    while now < 3600:
        now = max(now, schedule.next_due() or now)
        assert schedule.pop(now) == "demo"
        schedule.failed("demo", now)
        tries += 1
    assert tries <= 9 + 12, "in an hour"


def test_events_do_not_make_a_failing_bookstore_spin() -> None:
    schedule: Schedule[str] = Schedule(Backoff())
    schedule.add("demo", 0.0)
    tries = 0
    for tenth in range(600):  # a minute with ten events a second
        now = tenth / 10
        schedule.add("demo", now)
        if schedule.pop(now):
            schedule.failed("demo", now)
            tries += 1
    assert tries <= 4 + 60 / 5


def test_pull_secrets_are_read_only_if_an_image_can_not_be_pulled() -> None:
    world = ready({"imagePullSecrets": [{"name": "registry"}]})
    assert world.snapshot().pull_secrets == {}
    world.ailing[BLUE] = CRASHING
    world.tick()
    assert world.snapshot().pull_secrets == {}
    world.ailing[BLUE] = UNPULLABLE
    world.tick()
    assert set(world.snapshot().pull_secrets) == {"registry"}


def test_a_failure_causes_only_status_writes() -> None:
    """While a release waits for its Pods, only its status and the BookStore's are written."""
    world = ready({"rollout": {"progressDeadlineSeconds": 86400}})
    world.ailing[GREEN] = CREATING
    world.change(image="api:2")
    world.run_until(lambda w: w.condition("Ready") == ("False", "Starting"))
    an_hour_of(world)
    done = len(world.done)
    world.ailing[GREEN] = CRASHING
    an_hour_of(world)
    assert {type(action) for action in world.done[done:]} <= {WriteStatus}


def test_serving_is_repaired_before_another_write_can_be_rejected() -> None:
    world = ready({})
    world.get("Service", "demo")["spec"]["selector"] = {"app": "mine"}
    world.lose("NetworkPolicy")
    plan = decide(world.snapshot(), world.now)
    kinds = [action.manifest["kind"] for action in plan.actions if isinstance(action, Apply)]
    assert kinds == ["Service", "NetworkPolicy", "NetworkPolicy"]
