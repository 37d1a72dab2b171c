"""Every failure on a real control plane: reported, harmless to serving, quiet, and recovered from.

Statuses that the kubelet would report are simulated by kwok or patched by the test; the scheduler,
quotas, admission, foreign objects, Jobs and the autoscaler are real. More failures are simulated in
memory, in tests/operator/test_failures.py.
"""

from __future__ import annotations

import json
import signal
import traceback
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from demo.kubectl import KubectlError
from tests.cluster.conftest import MIGRATED, Cluster, Shop, image
from tests.support.kube import condition, wait_for

pytestmark = pytest.mark.cluster

WRITTEN = (
    *("bookstorereleases", "apps/v1/deployments", "apps/v1/statefulsets", "batch/v1/jobs"),
    *("v1/services", "autoscaling/v2/horizontalpodautoscalers", "events.k8s.io/v1/events"),
)
REPORT_SECONDS = 30
QUIET_SECONDS = 2
AT_ONCE = 12
PATIENT = {"scaleDownDelaySeconds": 0, "progressDeadlineSeconds": 600}
NO_SPACE = "could not extend file: No space left on device"


@pytest.fixture(scope="module")
def shared(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A namespace with one operator for all cases that hurt nobody but their own BookStore."""
    name = f"f-{uuid.uuid4().hex[:8]}"
    shop = Shop(cluster, name, tmp_path_factory.mktemp("failures") / "operator.log")
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": name, "labels": labels}
    shop.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    shop.start()
    yield shop
    shop.operator.stop(signal.SIGKILL)
    shop.kubectl("delete", "namespace", name, "--wait=false")


@dataclass(frozen=True)
class Case:
    """A release that something goes wrong with."""

    reason: str
    words: tuple[str, ...]
    """In the condition and in the event: the object, the cause, what to do."""
    fix: Callable[[Shop, str], object]
    tag: str = "2"
    spec: dict[str, Any] = field(default_factory=dict)
    before: Callable[[Shop, str], object] = lambda _shop, _name: None
    """What breaks it before the release begins."""
    after: Callable[[Shop, str], object] = lambda _shop, _name: None
    """What breaks it when the release has begun."""
    loud: bool = True
    condition: str = "Ready"


# What the kubelet would report ----------------------------------------------------------------


def pods(shop: Shop, selector: str, count: int = 1) -> list[dict[str, Any]]:
    """Wait for Pods that are not over."""

    def found() -> list[dict[str, Any]] | None:
        alive = [
            pod
            for pod in shop.list("v1/pods", selector)
            if pod.get("status", {}).get("phase") in {"Pending", "Running"}
        ]
        return alive if len(alive) >= count else None

    return wait_for(found, REPORT_SECONDS, f"{count} Pods {selector}")


def patch_status(shop: Shop, kind: str, name: str, status: dict[str, Any]) -> None:
    body = json.dumps({"status": status})
    shop.kubectl("patch", kind, name, "--subresource=status", "--type=merge", "-p", body)


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def container(pod: dict[str, Any], ready: bool, state: dict[str, Any]) -> dict[str, Any]:
    """The status of a Pod's one container."""
    spec = pod["spec"]["containers"][0]
    plain = {"name": spec["name"], "image": spec["image"], "imageID": "", "restartCount": 0}
    return {**plain, "ready": ready, "started": ready, "state": state}


def pods_get_ready(shop: Shop, name: str) -> None:
    """The new color's Pods come up after all."""
    selector = f"bookstore.dev/store={name},bookstore.dev/color=green"
    for number, pod in enumerate(pods(shop, selector, 2)):
        if "job-name" in pod["metadata"]["labels"]:
            continue
        conditions = [
            {"type": kind, "status": "True", "lastTransitionTime": now()}
            for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
        ]
        running = container(pod, True, {"running": {"startedAt": now()}})
        address = pod["status"].get("podIP") or f"10.9.0.{number + 1}"
        status = {
            "phase": "Running",
            "conditions": conditions,
            "containerStatuses": [running],
            "podIP": address,
            "podIPs": [{"ip": address}],
        }
        patch_status(shop, "pod", pod["metadata"]["name"], status)


def migration_says(**result: Any) -> Callable[[Shop, str], None]:
    """Return a function that ends the migration's Pod with this result."""

    def end(shop: Shop, name: str) -> None:
        message = {**MIGRATED, **result}
        good = message["code"] == "migrated"
        for pod in pods(shop, f"bookstore.dev/release={name}-r2"):
            ended = {
                "exitCode": 0 if good else 1,
                "reason": "Completed" if good else "Error",
                "message": json.dumps(message),
                "startedAt": now(),
                "finishedAt": now(),
            }
            status = {
                "phase": "Succeeded" if good else "Failed",
                "containerStatuses": [container(pod, False, {"terminated": ended})],
            }
            patch_status(shop, "pod", pod["metadata"]["name"], status)

    return end


def migration_gets_through(shop: Shop, name: str) -> None:
    """The next attempt works, or one after it where the machine is too slow for that."""

    def is_through() -> bool:
        release = shop.get("bookstorereleases", f"{name}-r2") or {}
        if release.get("status", {}).get("stage") != "Expand":
            return True
        with suppress(KubectlError, AssertionError):  # it was out of time meanwhile
            migration_says()(shop, name)
        return False

    wait_for(is_through, 2 * REPORT_SECONDS, f"the migration of {name}")


def migration(code: str, message: str, reason: str, *words: str) -> Case:
    """A migration that ends like this, and is done at its second attempt."""
    return Case(
        reason,
        (*words, "-r2-expand failed", "Retrying in "),
        fix=migration_gets_through,
        tag="2-job-hang",
        spec={"migration": {"attempts": 9}},
        after=migration_says(code=code, message=message),
    )


# What is real ---------------------------------------------------------------------------------


def label_node(shop: Shop, name: str) -> None:
    shop.kubectl("label", "nodes", "--all", f"for-{shop.namespace}-{name}=yes")


def foreign_deployment(shop: Shop, name: str) -> None:
    labels = {"somebody": "else"}
    pod = {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "x",
                "image": "x",
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
    }
    spec = {
        "replicas": 0,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    metadata = {"name": f"{name}-green", "labels": labels}
    shop.kubectl.apply(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
    )


def opaque_secret(shop: Shop, _name: str) -> None:
    """A Secret that has the credentials under another type than the kubelet looks for."""
    data = {".dockerconfigjson": "{}"}
    shop.kubectl.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "opaque"}, "stringData": data}
    )


def policy_name(shop: Shop, name: str) -> str:
    return f"{shop.namespace}-{name}"


def admission_policy(shop: Shop, name: str) -> None:
    """Have the API server reject the green Deployment of this BookStore."""
    policy = policy_name(shop, name)
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": policy}}
    rule = {
        "apiGroups": ["apps"],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["deployments"],
    }
    here = {"matchLabels": {"kubernetes.io/metadata.name": shop.namespace}}
    refusal = {
        "expression": f"object.metadata.name != '{name}-green'",
        "message": "nothing green on Mondays",
    }
    shop.kubectl.apply(
        {
            **head,
            "kind": "ValidatingAdmissionPolicy",
            "spec": {
                "matchConstraints": {"resourceRules": [rule], "namespaceSelector": here},
                "validations": [refusal],
            },
        },
        {
            **head,
            "kind": "ValidatingAdmissionPolicyBinding",
            "spec": {"policyName": policy, "validationActions": ["Deny"]},
        },
    )
    wait_for(lambda: _denied(shop, name), REPORT_SECONDS, "the policy to hold")


def _denied(shop: Shop, name: str) -> bool:
    try:
        shop.kubectl(
            *("create", "deployment", f"{name}-green", "--image=x", "--replicas=0"),
            "--dry-run=server",
        )
    except KubectlError as error:
        return "Mondays" in str(error)
    return False


def no_admission_policy(shop: Shop, name: str) -> None:
    policy = policy_name(shop, name)
    for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
        shop.kubectl("delete", kind, policy)


CASES = {
    "image-unpullable": Case(
        "ImagePullFailed",
        (
            "Deployment {name}-green",
            "Image localhost/bookstore-api:2-pod-unpullable",
            "Its image pull secret registry does not exist",
            "spec.image",
        ),
        fix=pods_get_ready,
        tag="2-pod-unpullable",
        spec={"imagePullSecrets": [{"name": "registry"}]},
    ),
    "image-unpullable-migration": Case(
        "ImagePullFailed",
        (
            "Job {name}-r2-expand",
            "Pod {name}-r2-expand",
            "Its image pull secret opaque is of type Opaque",
            "spec.imagePullSecrets",
        ),
        fix=migration_says(),
        tag="2-job-unpullable",
        spec={"imagePullSecrets": [{"name": "opaque"}]},
        before=opaque_secret,
    ),
    "never-ready": Case(
        "Starting",
        ("Deployment {name}-green", "is running but not ready", "curl localhost:8001/readyz"),
        fix=pods_get_ready,
        tag="2-pod-unready",
        loud=False,
    ),
    "crashing": Case(
        "PodCrashing",
        ("Container api of Pod {name}-green", "exit code 1", "kubectl logs"),
        fix=pods_get_ready,
        tag="2-pod-crash",
    ),
    "unschedulable": Case(
        "PodUnschedulable",
        ("Pod {name}-r2-expand", "can't be scheduled", "spec.scheduling"),
        fix=label_node,
    ),
    "migration-fails": migration(
        "failed", "No such column.", "MigrationRetry", "{name}", "No such column."
    ),
    "migration-hangs": Case(
        "MigrationRetry",
        ("Job {name}-r2-expand", "did not complete within 4 s", "spec.migration.timeoutSeconds"),
        fix=migration_gets_through,
        tag="2-job-hang",
        spec={"migration": {"attempts": 9, "timeoutSeconds": 4}},
    ),
    "database-unreachable": migration(
        "unreachable", "The database does not answer.", "DatabaseUnreachable", "does not answer"
    ),
    "password-refused": migration(
        "authentication-failed", "It refused.", "DatabaseAuthenticationFailed", "Secret {name}-db"
    ),
    "volume-full": migration("failed", NO_SPACE, "VolumeFull", NO_SPACE, "pvc data-{name}-db-0"),
    "name-taken": Case(
        "NameConflict",
        ("Deployment named {name}-green", "does not belong", "Rename or delete it"),
        before=foreign_deployment,
        fix=lambda shop, name: shop.kubectl("delete", "deployment", f"{name}-green"),
    ),
    "admission": Case(
        "ApplyRejected",
        ("Deployment {name}-green", "nothing green on Mondays", "Fix the cause"),
        before=admission_policy,
        fix=no_admission_policy,
    ),
}


def test_every_failed_release_is_reported_harms_nothing_and_recovers(shared: Shop) -> None:
    """All at once, each in a BookStore of its own: most of the time is spent waiting."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        playing = {key: pool.submit(play, shared, key) for key in CASES}
    wrong = {key: error for key, future in playing.items() if (error := future.exception())}
    for error in wrong.values():
        traceback.print_exception(error)
    assert not wrong, "\n\n".join(f"{key}: {error}" for key, error in wrong.items())


def play(shared: Shop, key: str) -> None:
    """Make a release fail, check its report and that serving is not changed; then fix it."""
    case, name = CASES[key], f"s-{key}"
    spec = {"replicas": 2, "rollout": PATIENT, **case.spec}
    if key == "unschedulable":
        spec["scheduling"] = {"nodeSelector": {f"for-{shared.namespace}-{name}": "yes"}}
    shared.apply(name, **{k: v for k, v in spec.items() if k not in {"scheduling", "migration"}})
    shared.ready(name)
    case.before(shared, name)
    serves = what_serves(shared, name)
    shared.apply(name, **spec, image=image(case.tag))
    case.after(shared, name)
    assert_condition(shared, name, case)
    assert what_serves(shared, name) == serves
    assert_quiet(shared, name)
    case.fix(shared, name)
    shared.ready(name, image=image(case.tag))
    assert condition(shared.store(name), "Stalled")["status"] == "False"
    shared.kubectl("delete", "bookstore", name, "--wait=false")


def assert_condition(shop: Shop, name: str, case: Case) -> None:
    """Wait until condition and event name the object, the cause and what to do."""
    words = [text.format(name=name) for text in case.words]
    last: dict[str, Any] = {}

    def is_reported() -> bool:
        last.update(condition(shop.store(name), case.condition))
        return last.get("reason") == case.reason and all(text in last["message"] for text in words)

    try:
        wait_for(is_reported, REPORT_SECONDS, f"{case.reason} to be reported")
    except AssertionError:
        actual = f"{last.get('reason')}: {last.get('message')}"
        raise AssertionError(f"{actual}, not {case.reason} {words}") from None
    print(f"{name}: {last['type']} {last['status']} {last['reason']}: {last['message']}")
    if case.loud:
        wait_for(lambda: _event(shop, name, case.reason, words), 5, "a Warning event")


def _event(shop: Shop, name: str, reason: str, words: list[str]) -> bool:
    events = shop.list("events.k8s.io/v1/events", f"bookstore.dev/store={name}")
    mine = [e for e in events if e["type"] == "Warning" and e["reason"] == reason]
    return any(all(text in event["note"] for text in words) for event in mine)


def what_serves(shop: Shop, name: str) -> Any:
    """Return the specs of the Service and the active Deployment, and its ready replicas."""
    service = shop.get("v1/services", name)
    blue = shop.get("apps/v1/deployments", f"{name}-blue")
    assert service is not None
    assert blue is not None
    assert condition(shop.store(name), "Available")["status"] == "True"
    return service["spec"], blue["spec"], blue["status"]["readyReplicas"]


def assert_quiet(shop: Shop, name: str) -> None:
    """Wait for a time without writes and with few retries.

    Controllers may still have work to do; a hot loop would never be quiet.
    """

    def quiet() -> bool:
        before, tries = versions(shop, name), retries(shop, name)
        pass_time(shop)
        seldom = retries(shop, name) - tries <= QUIET_SECONDS
        return seldom and versions(shop, name) == before

    # With all cases at once, controllers and retries (after 10 s and more) take their time.
    wait_for(quiet, REPORT_SECONDS, f"{QUIET_SECONDS} s without a write for {name}")


def pass_time(shop: Shop) -> None:
    """Let the API server say when the time is over."""
    path = f"/apis/bookstore.dev/v1alpha1/namespaces/{shop.namespace}/bookstores"
    query = f"?watch=1&timeoutSeconds={QUIET_SECONDS}&labelSelector=no=one"
    shop.cluster.plane.client().get(path + query)


def retries(shop: Shop, name: str) -> int:
    """Return how often the operator logged a retry for this BookStore."""
    key = f"{shop.namespace}/{name}"
    return sum(line.get("store") == key for line in shop.operator.logged("Retrying in"))


def versions(shop: Shop, name: str) -> dict[str, str]:
    """Return the resourceVersions of a BookStore's objects by uid: every write changes one."""
    store = shop.store(name)
    assert store is not None
    found = [each for kind in WRITTEN for each in shop.list(kind, f"bookstore.dev/store={name}")]
    return {
        each["metadata"]["uid"]: each["metadata"]["resourceVersion"] for each in [store, *found]
    }


def test_a_quota_for_pods_is_reported_for_jobs_and_deployments(operated: Shop) -> None:
    """Three Pods serve. A fourth may not be, then one more than that."""
    operated.apply(rollout=PATIENT)
    operated.ready()
    for pods_allowed, words in (
        ("3", ("Job demo-r2-expand can't create Pods", "exceeded quota: few", "Raise the quota")),
        (
            "4",
            ("Deployment demo-green can't create Pods", "exceeded quota: few", "Raise the quota"),
        ),
    ):
        quota(operated, pods_allowed)
        serves = what_serves(operated, "demo")
        operated.apply(rollout=PATIENT, image=image("2"))
        assert_condition(operated, "demo", Case("PodCreationForbidden", words, fix=delete_quota))
        assert what_serves(operated, "demo") == serves
        assert_quiet(operated, "demo")
    delete_quota(operated)
    operated.ready(image=image("2"))


def quota(shop: Shop, pods_allowed: str) -> None:
    metadata, spec = {"name": "few"}, {"hard": {"pods": pods_allowed}}
    shop.kubectl.apply(
        {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": spec}
    )

    def counts() -> bool:
        found = json.loads(shop.kubectl("get", "quota", "few", "-o", "json"))
        return bool(found.get("status", {}).get("hard", {}).get("pods") == pods_allowed)

    wait_for(counts, REPORT_SECONDS, "the quota to hold")


def delete_quota(shop: Shop, _name: str = "") -> None:
    shop.kubectl("delete", "quota", "few")


def test_a_backup_schedule_that_stopped_is_reported(shared: Shop) -> None:
    """The CronJob's status is that of one whose controller has been away for a year."""
    name = "s-overdue"
    shared.apply(name, backup={"schedule": "0 3 1 1 *"})
    shared.ready(name)
    backup = f"{name}-backup"
    patch_status(shared, "cronjob", backup, {"lastSuccessfulTime": "2024-02-01T03:00:00Z"})
    words = ("succeeded at 2024-02-01 03:00 UTC", "due at 2025-01-01 03:00 UTC", backup)
    assert_condition(
        shared, name, Case("BackupOverdue", words, fix=delete_quota, condition="BackupHealthy")
    )
    assert condition(shared.store(name), "Ready")["status"] == "True"
    assert_quiet(shared, name)
    patch_status(shared, "cronjob", backup, {"lastSuccessfulTime": now()})
    healthy = Case("BackedUp", (), fix=delete_quota, condition="BackupHealthy", loud=False)
    assert_condition(shared, name, healthy)
    shared.kubectl("delete", "bookstore", name, "--wait=false")


def test_a_foreign_volume_is_not_changed_and_is_reported(shared: Shop) -> None:
    name = "s-volume"
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": f"data-{name}-db-0"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }
    shared.kubectl.apply(claim)
    shared.apply(name)
    words = (f"PersistentVolumeClaim named data-{name}-db-0", "does not belong", "kubectl label")
    assert_condition(shared, name, Case("NameConflict", words, fix=delete_quota))
    assert shared.get("apps/v1/statefulsets", f"{name}-db") is None
    assert shared.get("v1/secrets", f"{name}-db") is None, "its password would not fit the data"
    assert_quiet(shared, name)
    shared.kubectl("delete", "pvc", f"data-{name}-db-0", "--timeout=10s")
    shared.ready(name)
    shared.kubectl("delete", "bookstore", name, "--wait=false")


def test_a_missing_and_a_malformed_secret_are_reported_until_fixed(shared: Shop) -> None:
    name = "s-secret"
    spec = {"database": {"external": {"secretName": "books"}}, "rollout": PATIENT}
    secret(shared, "postgresql://books:secret@db/books")
    shared.apply(name, **spec)
    shared.ready(name)
    serves = what_serves(shared, name)
    shared.kubectl("delete", "secret", "books")
    shared.apply(name, **spec, image=image("2"))
    missing = ("There is no Secret books", "Create it", "`uri`")
    assert_condition(shared, name, Case("DatabaseSecretMissing", missing, fix=delete_quota))
    secret(shared, "mysql://books:hush-hush@db/books")
    malformed = ("In Secret books, key `uri` does not begin with postgresql://", "Correct it")
    assert_condition(shared, name, Case("DatabaseSecretMalformed", malformed, fix=delete_quota))
    assert what_serves(shared, name) == serves
    assert_quiet(shared, name)
    assert "hush" not in shared.log.read_text(), "no value of a Secret is logged"
    secret(shared, "postgresql://books:secret@db/books")
    shared.ready(name, image=image("2"))
    shared.kubectl("delete", "bookstore", name, "--wait=false")


def secret(shop: Shop, uri: str) -> None:
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "books"}}
    shop.kubectl.apply({**manifest, "stringData": {"uri": uri}})


def test_an_autoscaler_without_metrics_is_reported_and_keeps_its_count(shared: Shop) -> None:
    name = "s-metrics"
    shared.apply(name, autoscaling={"minReplicas": 2, "maxReplicas": 5}, rollout=PATIENT)
    shared.ready(name)
    shared.kubectl("scale", "deployment", f"{name}-blue", "--replicas=4")
    words = ("HorizontalPodAutoscaler s-metrics", "metrics", "spec.resources.requests.cpu")
    waiting = Case("WaitingForMetrics", (*words, "has no metrics"), fix=delete_quota)
    assert_condition(
        shared, name, _of_autoscaling(waiting, loud=False)
    )  # the controller looks every 15 s
    long_ago(shared, name)
    assert_condition(shared, name, _of_autoscaling(Case("NoMetrics", words, fix=delete_quota)))
    assert condition(shared.store(name), "Ready")["status"] == "True"
    assert shared.replicas(f"{name}-blue") == 4
    assert_quiet(shared, name)
    shared.kubectl("delete", "bookstore", name, "--wait=false")


def _of_autoscaling(case: Case, loud: bool = True) -> Case:
    return Case(case.reason, case.words, case.fix, loud=loud, condition="AutoscalingHealthy")


def long_ago(shop: Shop, name: str) -> None:
    """Let the autoscaler have been without metrics for an hour."""
    scaler = shop.get("autoscaling/v2/horizontalpodautoscalers", name)
    assert scaler is not None
    conditions = scaler["status"]["conditions"]
    for each in conditions:
        each["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    patch_status(shop, "hpa", name, {"conditions": conditions})
