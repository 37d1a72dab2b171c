"""Every failure: its message, that the active color is not touched, and that it recovers.

The same failures on a real control plane are in tests/cluster/test_failures.py.
"""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from bookstore_operator.components import secrets_of_interest
from bookstore_operator.core.plan import (
    Action,
    Apply,
    Event,
    EventType,
    ObjectRef,
    Scale,
    WriteStatus,
)
from bookstore_operator.core.secret_values import Content, invalid_reason
from bookstore_operator.core.snapshot import Rejection
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.decide import decide
from bookstore_operator.runtime.workqueue import Backoff, Schedule
from bookstore_operator.workloads import pull_secrets
from bookstore_operator.workloads.termination import termination_summary, volume_full
from tests.support.world import VALKEY, World

pytestmark = pytest.mark.scenario

EXTERNAL = {"external": {"secretName": "books", "directKey": "direct"}}
STAFF = {"staff": {"secretName": "clerks"}}
REDIS = {"cache": {"external": {"secretName": "redis"}}}
CACHED: dict[str, Any] = {"cache": {"embedded": {}}}
JOB = ObjectRef("batch/v1", "Job", "demo-r2-expand")
NO_SPACE = 'could not extend file "base/5/1": No space left on device'


@dataclass(frozen=True)
class Failure:
    """A failure, its fix, and the condition that reports it."""

    break_it: Callable[[World], object]
    fix_it: Callable[[World], object]
    reason: str
    words: tuple[str, ...]
    """In the message: the object, the cause, what to do."""
    ready: str = "False"
    condition: str = "Ready"
    spec: dict[str, Any] = field(default_factory=dict)
    releases: bool = True
    """It affects a release of api:2; else the active release."""
    loud: bool = True
    """A Warning event is posted."""
    serving: bool = True
    """The active color's Pods are fine."""
    writes: int = 0
    """The maximum number of writes in an hour of it."""


def pod(waiting: dict[str, Any] | None = None, **container: Any) -> dict[str, Any]:
    """The status of a Pod with one container."""
    state = {"waiting": waiting} if waiting else container.pop("state", {})
    return {
        "phase": "Pending" if waiting else "Running",
        "containerStatuses": [
            {"name": "api", "image": "api:2", "ready": False, "state": state, **container}
        ],
    }


def unscheduled(message: str) -> dict[str, Any]:
    found = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    return {"phase": "Pending", "conditions": [{**found, "message": message}]}


UNPULLABLE = pod(
    {"reason": "ErrImagePull", "message": "rpc error: code = NotFound desc = no such image"}
)
ENDED = {"exitCode": 1, "reason": "Error", "message": "Traceback\nValueError: no such setting\n"}
CRASHING = pod(
    {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting"},
    lastState={"terminated": ENDED},
)
FULL = pod(
    {"reason": "CrashLoopBackOff"},
    lastState={
        "terminated": {
            "exitCode": 1,
            "message": "LOG: starting\nPANIC: could not write: No space left on device\nLOG: bye\n",
        }
    },
)
OTHER_VERSION = (
    "2026-11-25 17:36:02.711 UTC [1] FATAL:  database files are incompatible with server\n"
    "2026-11-25 17:36:02.711 UTC [1] DETAIL:  The data directory was initialized by PostgreSQL "
    "version 17, which is not compatible with this version 18.6.\n"
)
OF_ANOTHER_VERSION = pod(
    {"reason": "CrashLoopBackOff"},
    image="postgres:18",
    lastState={"terminated": {"exitCode": 1, "message": OTHER_VERSION}},
)
UNREADY = pod(state={"running": {"startedAt": "2026-01-01T00:00:00Z"}}, started=True)
CREATING = pod({"reason": "ContainerCreating"})


def ails(where: str, status: dict[str, Any]) -> Callable[[World], object]:
    return lambda world: world.ailing.update({where: status})


def heals(where: str) -> Callable[[World], object]:
    return lambda world: world.ailing.pop(where)


def lacks_pull_secrets(world: World) -> None:
    world.ailing["Deployment/api:2"] = UNPULLABLE
    world.pull_secrets |= {
        "registry": "does not exist",
        "other": "is of type Opaque, not kubernetes.io/dockerconfigjson",
    }


def has_pull_secrets(world: World) -> None:
    world.ailing.clear()
    world.pull_secrets.clear()


def backs_up_again(world: World) -> None:
    at = world.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    world.get("CronJob", "demo-backup")["status"] = {"lastSuccessfulTime": at}


def migration_says(code: str, message: str = "It went wrong.") -> Callable[[World], object]:
    result = {"command": "migrate", "code": code, "message": message}
    return lambda world: setattr(world, "migration", lambda _job: result)


def migration_works(world: World) -> None:
    world.migration = World.migration


def migration_hangs(world: World) -> None:
    world.migration = lambda _job: None


def secret(keys: set[str] | None, name: str = "books") -> Callable[[World], object]:
    def change(world: World) -> None:
        world.secrets.pop(name, None)
        if keys is not None:
            world.secrets[name] = frozenset(keys)

    return change


def refuses(reason: str, message: str) -> Callable[[World], object]:
    rejection = Rejection(ObjectRef("v1", "Service", "demo-db"), reason, message)
    return lambda world: setattr(world, "rejection", rejection)


def refuses_no_more(world: World) -> None:
    world.rejection = None


def without_metrics(world: World) -> None:
    cause = "the server could not find the requested resource (get pods.metrics.k8s.io)"
    inactive = {
        "type": "ScalingActive",
        "status": "False",
        "reason": "FailedGetResourceMetric",
        "message": cause,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    world.get("HorizontalPodAutoscaler", "demo")["status"] = {"conditions": [inactive]}


def with_metrics(world: World) -> None:
    active = {
        "type": "ScalingActive",
        "status": "True",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    world.get("HorizontalPodAutoscaler", "demo")["status"] = {"conditions": [active]}


def refused_job(world: World) -> None:
    world.migration = lambda _job: None
    world.warned[JOB] = (
        'Error creating: pods "demo-r2-expand-q7x" is forbidden: exceeded quota: few'
    )


def mount_fails(world: World) -> None:
    world.ailing["Deployment/api:2"] = CREATING
    key = ObjectRef("v1", "Pod", "demo-green-x")
    world.warned[key] = 'MountVolume.SetUp failed for volume "database": secret "books" not found'


FAILURES = {
    "image-unpullable-migration": Failure(
        ails("Job/api:2", UNPULLABLE),
        heals("Job/api:2"),
        "ImagePullFailed",
        ("demo-r2-expand-x", "api:2", "no such image", "spec.imagePullSecrets"),
    ),
    "image-unpullable": Failure(
        ails("Deployment/api:2", UNPULLABLE),
        heals("Deployment/api:2"),
        "ImagePullFailed",
        ("Pod demo-green-x", "api:2", "no such image", "spec.image"),
    ),
    "pull-secret-missing": Failure(
        lacks_pull_secrets,
        has_pull_secrets,
        "ImagePullFailed",
        (
            "Pod demo-green-x",
            "no such image",
            "Its image pull secret registry does not exist: see "
            "kubectl create secret docker-registry registry",
            "Its image pull secret other is of type Opaque",
            "spec.imagePullSecrets",
        ),
        spec={"imagePullSecrets": [{"name": "registry"}, {"name": "good"}, {"name": "other"}]},
    ),
    "never-ready": Failure(
        ails("Deployment/api:2", UNREADY),
        heals("Deployment/api:2"),
        "Starting",
        (
            "Deployment demo-green",
            "Pod demo-green-x is running but not ready",
            "curl localhost:8001/readyz",
        ),
        loud=False,
    ),
    "crashing": Failure(
        ails("Deployment/api:2", CRASHING),
        heals("Deployment/api:2"),
        "PodCrashing",
        ("demo-green-x", "exit code 1", "ValueError: no such setting", "kubectl logs"),
    ),
    "unschedulable": Failure(
        ails("Deployment/api:2", unscheduled("0/3 nodes are available: 3 Insufficient memory.")),
        heals("Deployment/api:2"),
        "PodUnschedulable",
        ("Pod demo-green-x", "3 Insufficient memory", "spec.resources"),
    ),
    "migration-fails": Failure(
        migration_says("failed", "Column exists already."),
        migration_works,
        "MigrationRetry",
        ("Job demo-r2-expand", "Column exists already", "Retrying in 10 s."),
        spec={"migration": {"attempts": 20}},
        writes=130,  # 3 of the BookStore, the release and Jobs for each of 13 tries, and one more
    ),
    "migration-hangs": Failure(
        migration_hangs,
        migration_works,
        "Migrating",
        ("Job demo-r2-expand", "time limit is 600 s", "spec.migration.timeoutSeconds"),
        loud=False,
    ),
    "database-unreachable": Failure(
        migration_says("unreachable", "The database does not answer."),
        migration_works,
        "DatabaseUnreachable",
        ("Job demo-r2-expand", "does not answer", "Check that the database runs"),
        writes=130,
    ),
    "database-refuses-the-password": Failure(
        migration_says("authentication-failed", "The database refused the password."),
        migration_works,
        "DatabaseAuthenticationFailed",
        ("Job demo-r2-expand", "refused the password", "Secret demo-db"),
        writes=130,
    ),
    "database-locked": Failure(
        migration_says("locked", "Another migration runs."),
        migration_works,
        "DatabaseLocked",
        ("Job demo-r2-expand", "Another migration runs"),
        writes=130,
    ),
    "volume-full-migration": Failure(
        migration_says("failed", NO_SPACE),
        migration_works,
        "VolumeFull",
        ("Job demo-r2-expand", "No space left", "pvc data-demo-db-0"),
        writes=130,
    ),
    "volume-full": Failure(
        ails("StatefulSet/db", FULL),
        heals("StatefulSet/db"),
        "VolumeFull",
        ("StatefulSet demo-db", "Pod demo-db-x", "PANIC: could not write", "pvc data-demo-db-0"),
        releases=False,
    ),
    "database-of-another-version": Failure(
        ails("StatefulSet/db", OF_ANOTHER_VERSION),
        heals("StatefulSet/db"),
        "PodCrashing",
        (
            "StatefulSet demo-db",
            "Pod demo-db-x exits",
            "its volume has data of PostgreSQL 17, but image postgres:18 is PostgreSQL 18.6",
            "--postgres-image to version 17",
        ),
        releases=False,
    ),
    "database-does-not-start": Failure(
        ails("StatefulSet/db", unscheduled("pod has unbound immediate PersistentVolumeClaims")),
        heals("StatefulSet/db"),
        "PodUnschedulable",
        ("StatefulSet demo-db", "unbound immediate", "kubectl describe pvc data-demo-db-0"),
        releases=False,
    ),
    "quota-for-pods": Failure(
        lambda w: w.refused.update(
            {"Deployment/api:2": 'pods "demo-green-a1" is forbidden: exceeded quota: few, used: 2'}
        ),
        lambda w: w.refused.clear(),
        "PodCreationForbidden",
        ("Deployment demo-green can't create Pods", "exceeded quota: few", "Raise the quota"),
    ),
    "pod-security": Failure(
        lambda w: w.refused.update(
            {"Deployment/api:2": 'pods "demo-green-a1" is forbidden: violates PodSecurity "x:1"'}
        ),
        lambda w: w.refused.clear(),
        "PodCreationForbidden",
        ("Deployment demo-green can't create Pods", 'violates PodSecurity "x:1"', "policies"),
    ),
    "quota-for-the-migration": Failure(
        refused_job,
        migration_works,
        "PodCreationForbidden",
        ("Job demo-r2-expand can't create Pods", "exceeded quota: few", "Raise the quota"),
    ),
    "quota-for-objects": Failure(
        refuses("Forbidden", 'services "demo-db" is forbidden: exceeded quota: few'),
        refuses_no_more,
        "QuotaExceeded",
        ("Service demo-db", "exceeded quota: few", "Raise the quota"),
        condition="Stalled",
        ready="True",
        releases=False,
    ),
    "admission-refuses": Failure(
        refuses("Forbidden", "admission webhook said no"),
        refuses_no_more,
        "ApplyRejected",
        ("Service demo-db", "admission webhook said no", "Fix the cause"),
        condition="Stalled",
        ready="True",
        releases=False,
    ),
    "name-taken": Failure(
        refuses("NameConflict", "A Service named demo-db exists. Rename or delete it."),
        refuses_no_more,
        "NameConflict",
        ("Service named demo-db", "Rename or delete it"),
        condition="Stalled",
        ready="True",
        releases=False,
    ),
    "secret-missing": Failure(
        secret(None),
        secret({"uri", "direct"}),
        "DatabaseSecretMissing",
        ("no Secret books", "Create it"),
        spec={"database": EXTERNAL},
        releases=False,
    ),
    "secret-incomplete": Failure(
        secret({"uri"}),
        secret({"uri", "direct"}),
        "DatabaseSecretIncomplete",
        ("Secret books", "no key `direct`", "Add it"),
        spec={"database": EXTERNAL},
        releases=False,
    ),
    "secret-malformed": Failure(
        lambda w: w.malformed.update({"books": {"direct": "is empty", "other": "is not text"}}),
        lambda w: w.malformed.clear(),
        "DatabaseSecretMalformed",
        ("In Secret books, key `direct` is empty", "Correct it"),
        spec={"database": EXTERNAL},
        releases=False,
    ),
    "secret-of-ours-incomplete": Failure(
        secret({"uri"}, "demo-db"),
        secret({"uri", "password"}, "demo-db"),
        "DatabaseSecretIncomplete",
        ("Secret demo-db", "lost its key `password`", "Restore it"),
        releases=False,
    ),
    "secret-of-ours-lost": Failure(
        secret(None, "demo-db"),
        secret({"uri", "password"}, "demo-db"),
        "DatabaseSecretLost",
        ("Secret demo-db is gone", "data-demo-db-0", "Restore"),
        releases=False,
    ),
    "staff-secret-missing": Failure(
        secret(None, "clerks"),
        secret({"token"}, "clerks"),
        "StaffSecretMissing",
        ("no Secret clerks", "Create it", "32 characters", "`token`"),
        spec=STAFF,
        releases=False,
    ),
    "staff-secret-incomplete": Failure(
        secret({"password"}, "clerks"),
        secret({"token"}, "clerks"),
        "StaffSecretIncomplete",
        ("Secret clerks", "no key `token`", "Add it"),
        spec=STAFF,
        releases=False,
    ),
    "staff-secret-malformed": Failure(
        lambda w: w.malformed.update({"clerks": {"token": "is empty", "other": "is not text"}}),
        lambda w: w.malformed.clear(),
        "StaffSecretMalformed",
        ("In Secret clerks, key `token` is empty", "Correct it", "openssl rand"),
        spec=STAFF,
        releases=False,
    ),
    "staff-secret-of-ours-incomplete": Failure(
        secret(set(), "demo-staff"),
        secret(None, "demo-staff"),
        "StaffSecretIncomplete",
        ("Secret demo-staff has no key `token`", "Delete the Secret: the operator recreates it"),
        releases=False,
    ),
    "cache-secret-missing": Failure(
        secret(None, "redis"),
        secret({"uri"}, "redis"),
        "CacheSecretMissing",
        ("no Secret redis", "Create it", "URI of Redis", "`uri`"),
        condition="CacheHealthy",
        spec=REDIS,
        releases=False,
    ),
    "cache-secret-incomplete": Failure(
        secret({"url"}, "redis"),
        secret({"uri"}, "redis"),
        "CacheSecretIncomplete",
        ("Secret redis", "no key `uri`", "Add it"),
        condition="CacheHealthy",
        spec=REDIS,
        releases=False,
    ),
    "cache-secret-malformed": Failure(
        lambda w: w.malformed.update({"redis": {"uri": "does not begin with redis://"}}),
        lambda w: w.malformed.clear(),
        "CacheSecretMalformed",
        ("In Secret redis, key `uri` does not begin with redis://", "Correct it"),
        condition="CacheHealthy",
        spec=REDIS,
        releases=False,
    ),
    "cache-secret-of-ours-incomplete": Failure(
        secret({"uri"}, "demo-cache"),
        secret(None, "demo-cache"),
        "CacheSecretIncomplete",
        ("Secret demo-cache has no key `password` and `valkey.conf`", "Delete the Secret"),
        condition="CacheHealthy",
        spec=CACHED,
        releases=False,
    ),
    "cache-secret-missing-for-a-release": Failure(
        secret(None, "redis"),
        secret({"uri"}, "redis"),
        "CacheSecretMissing",
        ("no Secret redis", "Create it"),
        spec=REDIS,
    ),
    "cache-down": Failure(
        lambda w: w.broken.add(VALKEY),
        lambda w: w.broken.clear(),
        "CacheDown",
        ("Deployment demo-cache", "is not ready", "counts requests separately"),
        condition="CacheHealthy",
        spec=CACHED,
        releases=False,
    ),
    "cache-crashes": Failure(
        ails(f"Deployment/{VALKEY}", CRASHING),
        heals(f"Deployment/{VALKEY}"),
        "PodCrashing",
        ("Deployment demo-cache", "Pod demo-cache-x", "kubectl logs"),
        condition="CacheHealthy",
        spec=CACHED,
        releases=False,
    ),
    "cache-image-unpullable": Failure(
        ails(f"Deployment/{VALKEY}", UNPULLABLE),
        heals(f"Deployment/{VALKEY}"),
        "ImagePullFailed",
        ("Pod demo-cache-x", "no such image", "--valkey-image"),
        condition="CacheHealthy",
        spec=CACHED,
        releases=False,
    ),
    "quota-for-the-cache": Failure(
        lambda w: w.refused.update({f"Deployment/{VALKEY}": "exceeded quota: few, used: 2"}),
        lambda w: w.refused.clear(),
        "PodCreationForbidden",
        ("Deployment demo-cache can't create Pods", "exceeded quota: few", "Raise the quota"),
        condition="CacheHealthy",
        spec=CACHED,
        releases=False,
    ),
    "volume-not-mounted": Failure(
        mount_fails,
        heals("Deployment/api:2"),
        "PodNotStarting",
        ("Pod demo-green-x", 'secret "books" not found', "kubectl describe pod demo-green-x"),
    ),
    "hpa-without-metrics": Failure(
        without_metrics,
        with_metrics,
        "NoMetrics",
        ("HorizontalPodAutoscaler demo", "get pods.metrics.k8s.io", "metrics server"),
        condition="AutoscalingHealthy",
        spec={"autoscaling": {"maxReplicas": 5}},
        releases=False,
    ),
    "backup-schedule-stops": Failure(
        lambda world: world.wait(3 * 86400),
        backs_up_again,
        "BackupOverdue",
        (
            "No backup has succeeded yet, and the first was due at 2026-01-01 03:17 UTC",
            "17 3 * * *",
            "kubectl describe cronjob demo-backup",
            "kubectl create job demo-backup-now --from=cronjob/demo-backup",
        ),
        condition="BackupHealthy",
        spec={"backup": {"schedule": "17 3 * * *"}},
        releases=False,
    ),
    "what-serves-crashes": Failure(
        ails("Deployment/api:1", CRASHING),
        heals("Deployment/api:1"),
        "PodCrashing",
        ("Pod demo-blue-x", "ValueError: no such setting", "kubectl logs"),
        releases=False,
        serving=False,
    ),
}


def reports(world: World, failure: Failure) -> bool:
    """Whether the condition has the reason, the object, the cause and what to do."""
    if world.condition(failure.condition) != (failure.ready, failure.reason):
        return False
    return all(words in world.message(failure.condition) for words in failure.words)


def serving_specs(world: World) -> dict[str, Any]:
    """Return the specs of the active Deployment and of the Service."""
    blue = world.get("Deployment", "demo-blue")
    service = world.get("Service", "demo")
    return copy.deepcopy({"service": service["spec"], "blue": blue["spec"]})


def ready(spec: dict[str, Any]) -> World:
    world = World(spec={"image": "api:1", **spec})
    given = {"books": {"uri", "direct"}, "clerks": {"token"}, "redis": {"uri"}}
    world.secrets |= {name: frozenset(keys) for name, keys in given.items()}
    return world.settle()


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_reported_harms_nothing_and_recovers(name: str) -> None:
    failure = FAILURES[name]
    world = ready({"rollout": {"progressDeadlineSeconds": 86400}, **failure.spec})
    serving = serving_specs(world)
    world.events.clear()
    failure.break_it(world)
    if failure.releases:
        world.change(image="api:2")
    try:
        world.run_until(lambda w: reports(w, failure), rounds=100)
    except AssertionError:
        pytest.fail(f"{world.condition(failure.condition)} {world.message(failure.condition)}")

    assert warned(world.events, failure) is failure.loud, world.events
    assert serving_specs(world) == serving
    if failure.serving:
        assert world.condition("Available") == ("True", "Serving")
    if failure.condition == "CacheHealthy":
        assert world.condition("Ready") == ("True", "Serving")

    costs = an_hour_of(world)
    assert len(costs) <= failure.writes, [action.message for action in costs]
    assert not [action for action in costs if isinstance(action, Scale)]
    assert serving_specs(world) == serving

    failure.fix_it(world)
    world.settle(100)
    assert world.condition("Ready") == ("True", "Serving")
    assert world.condition("Stalled")[0] == "False"
    assert world.store["status"]["active"]["image"] == ("api:2" if failure.releases else "api:1")


def warned(events: list[Event], failure: Failure) -> bool:
    """Whether a Warning event has the reason, the object, the cause and what to do."""
    loud = [e for e in events if e.type is EventType.WARNING and e.reason == failure.reason]
    return any(all(words in event.message for words in failure.words) for event in loud)


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
    world = World(ailing={"Deployment/api:1": CRASHING})
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
    world.ailing["Deployment/api:2"] = UNPULLABLE
    world.change(image="api:2")
    world.run_until(lambda w: w.condition("Stalled") == ("True", "ProgressDeadlineExceeded"))
    assert "can't be pulled" in world.message("Stalled")
    world.settle()
    assert world.replicas("green") == 0
    assert world.condition("Available") == ("True", "Serving")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            {"reason": "ErrImagePull", "message": "rpc error: not found"},
            {
                "reason": "ImagePullBackOff",
                "message": 'Back-off pulling image "api:2": ErrImagePull: rpc error: not found',
            },
        ),
        (
            {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting"},
            {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting"},
        ),
    ],
)
def test_alternating_states_have_the_same_message(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    world = ready({})
    world.change(image="api:2")
    last = {"lastState": {"terminated": ENDED}} if "Crash" in one["reason"] else {}
    world.ailing["Deployment/api:2"] = pod(one, **last)
    world.run_until(lambda w: w.condition("Ready")[1] in {"ImagePullFailed", "PodCrashing"})
    an_hour_of(world)
    done = len(world.done)
    for state in (other, one, other):
        world.ailing["Deployment/api:2"] = pod(state, **last)
        world.tick()
        world.reconcile()
    if last:
        running = pod(state={"running": {}}, **last)
        world.ailing["Deployment/api:2"] = running
        world.tick()
        world.reconcile()
    assert world.done[done:] == []


def test_a_second_event_is_posted_only_for_another_problem() -> None:
    world = ready({})
    world.change(image="api:2")
    world.ailing["Deployment/api:2"] = UNPULLABLE
    world.run_until(lambda w: w.condition("Ready") == ("False", "ImagePullFailed"))
    world.ailing["Deployment/api:2"] = CRASHING
    world.run_until(lambda w: w.condition("Ready") == ("False", "PodCrashing"))
    reasons = [e.reason for e in world.events if e.type is EventType.WARNING]
    assert reasons == ["ImagePullFailed", "PodCrashing"]


def test_metrics_may_take_a_minute() -> None:
    world = ready({"autoscaling": {"maxReplicas": 5}})
    without_metrics(world)
    since = world.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    scaler = world.get("HorizontalPodAutoscaler", "demo")
    scaler["status"]["conditions"][0]["lastTransitionTime"] = since
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
    with_metrics(world)
    world.reconcile()
    assert world.condition("AutoscalingHealthy") == ("True", "MetricsKnown")


def test_unexplained_objects_are_read_at_growing_intervals() -> None:
    world = ready({})
    refused_job(world)
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


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ('{"command": "migrate", "code": "failed", "message": "No."}', "No."),
        ('log\n{"event": "no settings", "level": "error"}', "no settings"),
        ("LOG: a\nFATAL: no room\nLOG: shut down", "FATAL: no room"),
        ("LOG: a\nPANIC: No space left on device\nFATAL: bye", "PANIC: No space left on device"),
        ("2026-11-25 17:36:02.711 UTC [31] FATAL:  no\n", "FATAL:  no"),
        ("Traceback\n  line\nValueError: 7", "ValueError: 7"),
        ("one\ntwo", "two"),
        ("", ""),
    ],
)
def test_the_summary_is_the_most_relevant_line(message: str, words: str) -> None:
    assert termination_summary(message) == words


def test_a_full_volume_is_recognized_by_its_error() -> None:
    assert volume_full(NO_SPACE)
    assert volume_full("database or disk is full")
    assert not volume_full("no such table")


@pytest.mark.parametrize(
    ("secret", "fault"),
    [
        (None, "does not exist"),
        ({"type": "Opaque", "data": {".dockerconfigjson": "e30="}}, "is of type Opaque"),
        ({"data": {}}, "is of type Opaque"),
        ({"type": "kubernetes.io/dockerconfigjson"}, "has no key `.dockerconfigjson`"),
        ({"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "e30="}}, None),
        ({"type": "kubernetes.io/dockercfg", "data": {".dockercfg": "e30="}}, None),
    ],
)
def test_invalid_image_pull_secrets_have_a_reason(
    secret: dict[str, Any] | None, fault: str | None
) -> None:
    found = pull_secrets.invalid_reason(secret)
    assert (found is None) if fault is None else (found or "").startswith(fault)


def test_pull_secrets_are_read_only_if_an_image_can_not_be_pulled() -> None:
    world = ready({"imagePullSecrets": [{"name": "registry"}]})
    lacks_pull_secrets(world)
    assert world.snapshot().pull_secrets == {}
    world.ailing["Deployment/api:1"] = CRASHING
    world.tick()
    assert world.snapshot().pull_secrets == {}
    world.ailing["Deployment/api:1"] = UNPULLABLE
    world.tick()
    assert set(world.snapshot().pull_secrets) == {"registry"}


@pytest.mark.parametrize(
    ("uri", "fault"),
    [
        (b"postgresql://books:secret@db:5432/books?sslmode=require", None),
        (b"postgres://books@one:5432,two:5433/books\n", None),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"mysql://books@db/books", "does not begin with"),
        (b"host=db user=books", "does not begin with"),
        (b"postgresql://books:p@ss:w/rd@db/books", "percent-encode"),
        (b"postgresql://books@[db/books", "percent-encode"),
        (b"\xff\xfe", "is not text"),
    ],
)
def test_an_invalid_database_uri_has_a_reason_without_its_value(
    uri: bytes, fault: str | None
) -> None:
    found = invalid_reason(base64.b64encode(uri).decode(), Content.DATABASE_URI)
    assert (fault in found) if fault and found else (found is fault)
    assert "ss:w" not in (found or "")


@pytest.mark.parametrize(
    ("uri", "fault"),
    [
        (b"redis://:secret@cache:6379/0", None),
        (b"rediss://user:p%40ss@cache.example/3?ssl_cert_reqs=required\n", None),
        (b"redis://cache", None),
        (b"", "is empty"),
        (b"http://cache:6379", "does not begin with redis://"),
        (b"cache:6379", "does not begin with redis://"),
        (b"redis://:secret@:6379/0", "names no host"),
        (b"redis://:s/ecret@cache:6379/0", "percent-encode"),
        (b"redis://cache:6379/sessions", "no number for its database"),
        (b"\xff\xfe", "is not text"),
    ],
)
def test_an_invalid_redis_uri_has_a_reason_without_its_value(uri: bytes, fault: str | None) -> None:
    found = invalid_reason(base64.b64encode(uri).decode(), Content.REDIS_URI)
    assert (fault in found) if fault and found else (found is fault)
    assert "secret" not in (found or "")


@pytest.mark.parametrize(
    ("token", "fault"),
    [
        (b"x" * 32, None),
        (b"x" * 43 + b"\n", None),
        (b"x" * 31, "is shorter than 32 characters"),
        (b"  " + b"x" * 31 + b"\n", "is shorter than 32 characters"),
        (b"", "is empty"),
        ("ü".encode() * 40, "letters, digits and"),
        (b"two words, and then a lot of them", "letters, digits and"),
        (b"\xff" * 40, "is not text"),
    ],
)
def test_an_invalid_staff_token_has_a_reason_without_its_value(
    token: bytes, fault: str | None
) -> None:
    found = invalid_reason(base64.b64encode(token).decode(), Content.STAFF_TOKEN)
    assert (fault in found) if fault and found else (found is fault)


def test_components_may_share_a_secret() -> None:
    """Each key is validated by its use; unused keys are not validated."""
    both = {
        "database": {"external": {"secretName": "all", "key": "database"}},
        "cache": {"external": {"secretName": "all", "key": "redis"}},
        "staff": {"secretName": "all", "key": "token"},
    }
    world = World(spec={"image": "api:1", **both})
    assert secrets_of_interest(BookStore.model_validate(world.store)) == {
        "all": {
            "database": Content.DATABASE_URI,
            "redis": Content.REDIS_URI,
            "token": Content.STAFF_TOKEN,
        }
    }


def test_a_failure_causes_only_status_writes() -> None:
    """While a release waits for its Pods, only its status and the BookStore's are written."""
    world = ready({"rollout": {"progressDeadlineSeconds": 86400}})
    world.ailing["Deployment/api:2"] = CREATING
    world.change(image="api:2")
    world.run_until(lambda w: w.condition("Ready") == ("False", "Starting"))
    an_hour_of(world)
    done = len(world.done)
    world.ailing["Deployment/api:2"] = CRASHING
    an_hour_of(world)
    assert {type(action) for action in world.done[done:]} <= {WriteStatus}


def test_serving_is_repaired_before_another_write_can_be_rejected() -> None:
    world = ready({})
    world.get("Service", "demo")["spec"]["selector"] = {"app": "mine"}
    world.objects = {k: o for k, o in world.objects.items() if k.kind != "NetworkPolicy"}
    plan = decide(world.snapshot(), world.now)
    kinds = [action.manifest["kind"] for action in plan.actions if isinstance(action, Apply)]
    assert kinds == ["Service", "NetworkPolicy", "NetworkPolicy"]
