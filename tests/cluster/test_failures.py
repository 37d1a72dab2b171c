"""Every failure on a real control plane: reported, harmless to serving, quiet, and recovered from.

Statuses that the kubelet would report are simulated by kwok or patched by the test; the scheduler,
quotas, admission, foreign objects, Jobs and the autoscaler are real. The same in memory:
tests/operator/test_failures.py.
"""

import json
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from demo.kubectl import KubectlError
from tests.cluster.conftest import (
    MIGRATED,
    QUICK,
    Cluster,
    Shop,
    image,
    pass_time,
    shop_in_namespace,
)
from tests.support.cases.failures import (
    FAILURES,
    MIGRATION,
    Failure,
    Fault,
    LastBackup,
    MigrationEnds,
    MigrationHangs,
    NameTaken,
    NoNodeFits,
    Played,
    PodsFail,
    PolicyRejects,
    SecretMalformed,
)
from tests.support.kube import condition, wait_for

pytestmark = pytest.mark.cluster

WRITTEN = (
    *("bookstorereleases", "apps/v1/deployments", "apps/v1/statefulsets", "batch/v1/jobs"),
    *("v1/services", "autoscaling/v2/horizontalpodautoscalers", "events.k8s.io/v1/events"),
)
REPORT_SECONDS = 60  # trouble that can pass by itself counts after 20 s at most
QUIET_SECONDS = 2
AT_ONCE = 12
PATIENT = {**QUICK, "progressDeadlineSeconds": 600}
ON_THEIR_OWN = {
    *("quota-for-pods", "quota-for-the-migration", "autoscaler-without-metrics"),
    *("database-secret-missing", "database-uri-malformed", "database-volume-of-somebody"),
}
"""Failures with a test of their own below: they need more than one step."""
AT_ONCE_CASES = {
    name: case
    for name, case in FAILURES.items()
    if case.played is not Played.MEMORY and name not in ON_THEIR_OWN
}


@pytest.fixture(scope="module")
def shared(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A namespace with one operator for all cases that hurt nobody but their own BookStore."""
    log = tmp_path_factory.mktemp("failures") / "operator.log"
    with shop_in_namespace(cluster, log) as shop:
        config = {".dockerconfigjson": "{}"}
        shop.provide("other", **config)
        shop.provide("good", type="kubernetes.io/dockerconfigjson", **config)
        shop.start()
        yield shop


# What the kubelet would report ----------------------------------------------------------------


def pods(shop: Shop, selector: str, count: int = 1) -> list[dict[str, Any]]:
    """Wait for Pods that are not over."""

    def are_alive() -> list[dict[str, Any]] | None:
        alive = [
            pod
            for pod in shop.list("v1/pods", selector)
            if pod.get("status", {}).get("phase") in {"Pending", "Running"}
        ]
        return alive if len(alive) >= count else None

    return wait_for(are_alive, REPORT_SECONDS, f"{count} Pods {selector}")


def patch_status(shop: Shop, kind: str, name: str, status: dict[str, Any]) -> None:
    body = json.dumps({"status": status})
    shop.kubectl("patch", kind, name, "--subresource=status", "--type=merge", "-p", body)


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def container(
    pod: dict[str, Any], ready: bool, state: dict[str, Any], image_id: str = ""
) -> dict[str, Any]:
    """The status of a Pod's one container."""
    spec = pod["spec"]["containers"][0]
    plain = {"name": spec["name"], "image": spec["image"], "imageID": image_id, "restartCount": 0}
    return {**plain, "ready": ready, "started": ready, "state": state}


def make_pods_ready(shop: Shop, name: str) -> None:
    """Let the new color's Pods come up after all."""
    selector = f"bookstore.dev/store={name},bookstore.dev/color=green"
    checks = shop.require("bookstorereleases", f"{name}-r2")["status"]["checks"]
    validated = next(check["imageID"] for check in checks if check["name"] == "validate")
    for number, pod in enumerate(pods(shop, selector, 2)):
        if "job-name" in pod["metadata"]["labels"]:
            continue
        conditions = [
            {"type": kind, "status": "True", "lastTransitionTime": now()}
            for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
        ]
        running = container(pod, True, {"running": {"startedAt": now()}}, validated)
        address = pod["status"].get("podIP") or f"10.9.0.{number + 1}"
        status = {
            "phase": "Running",
            "conditions": conditions,
            "containerStatuses": [running],
            "podIP": address,
            "podIPs": [{"ip": address}],
        }
        patch_status(shop, "pod", pod["metadata"]["name"], status)


def end_migration(shop: Shop, name: str, code: str = "migrated", message: str = "Done.") -> None:
    """End the Pod of the migration with this result."""
    good = code == "migrated"
    result = json.dumps({**MIGRATED, "code": code, "message": message})
    of_migration = "app.kubernetes.io/component=migration"
    for pod in pods(shop, f"bookstore.dev/release={name}-r2,{of_migration}"):
        ended = {
            "exitCode": 0 if good else 1,
            "reason": "Completed" if good else "Error",
            "message": result,
            "startedAt": now(),
            "finishedAt": now(),
        }
        status = {
            "phase": "Succeeded" if good else "Failed",
            "containerStatuses": [container(pod, False, {"terminated": ended})],
        }
        patch_status(shop, "pod", pod["metadata"]["name"], status)


def end_retried_migration(shop: Shop, name: str) -> None:
    """Let the next attempt work, or one after it where the machine is too slow for that."""

    def is_through() -> bool:
        release = shop.get("bookstorereleases", f"{name}-r2") or {}
        if release.get("status", {}).get("stage") != "Expand":
            return True
        with suppress(KubectlError, AssertionError):  # it was out of time meanwhile
            end_migration(shop, name)
        return False

    wait_for(is_through, 2 * REPORT_SECONDS, f"the migration of {name}")


# What is real ---------------------------------------------------------------------------------


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


def policy_name(shop: Shop, name: str) -> str:
    return f"{shop.namespace}-{name}"


def admission_policy(shop: Shop, name: str, message: str) -> None:
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
    rejection = {
        "expression": f"object.metadata.name != '{name}-green'",
        "message": message,
    }
    shop.kubectl.apply(
        {
            **head,
            "kind": "ValidatingAdmissionPolicy",
            "spec": {
                "matchConstraints": {"resourceRules": [rule], "namespaceSelector": here},
                "validations": [rejection],
            },
        },
        {
            **head,
            "kind": "ValidatingAdmissionPolicyBinding",
            "spec": {"policyName": policy, "validationActions": ["Deny"]},
        },
    )
    wait_for(lambda: _denies(shop, name, message), REPORT_SECONDS, "the policy to hold")


def _denies(shop: Shop, name: str, message: str) -> bool:
    try:
        shop.kubectl(
            *("create", "deployment", f"{name}-green", "--image=x", "--replicas=0"),
            "--dry-run=server",
        )
    except KubectlError as error:
        return message in str(error)
    return False


def delete_admission_policy(shop: Shop, name: str) -> None:
    policy = policy_name(shop, name)
    for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
        shop.kubectl("delete", kind, policy)


# Faults ---------------------------------------------------------------------------------------


def image_of(fault: Fault) -> str:
    """Return the image whose simulated Pods show the fault."""
    match fault:
        case PodsFail(tag=tag):
            return image(f"2-{tag}")
        case MigrationEnds() | MigrationHangs():
            return image("2-job-hang")
    return image("2")


def spec_of(shop: Shop, name: str, case: Failure) -> dict[str, Any]:
    """Return the fields of the release that fails."""
    scheduling = {"nodeSelector": {node_label(shop, name): "yes"}}
    return {
        **case.spec,
        **({"scheduling": scheduling} if isinstance(case.fault, NoNodeFits) else {}),
        **({"image": image_of(case.fault)} if case.releases else {}),
    }


def begin_before(shop: Shop, name: str, fault: Fault) -> None:
    """Let a fault begin that is there before the release."""
    match fault:
        case NameTaken("Deployment"):
            foreign_deployment(shop, name)
        case PolicyRejects(message):
            admission_policy(shop, name, message)


def begin_after(shop: Shop, name: str, fault: Fault) -> None:
    """Let a fault begin that needs the objects of the release."""
    match fault:
        case MigrationEnds(code, message):
            end_migration(shop, name, code, message)
        case LastBackup(at):
            set_last_backup(shop, name, at)


def end(shop: Shop, name: str, fault: Fault) -> None:
    """Let a fault be over."""
    match fault:
        case PodsFail(owner) if owner == MIGRATION:
            end_migration(shop, name)
        case PodsFail():
            make_pods_ready(shop, name)
        case MigrationEnds() | MigrationHangs():
            end_retried_migration(shop, name)
        case NoNodeFits():
            shop.kubectl("label", "nodes", "--all", f"{node_label(shop, name)}=yes")
        case NameTaken("Deployment"):
            shop.kubectl("delete", "deployment", f"{name}-green")
        case PolicyRejects():
            delete_admission_policy(shop, name)
        case LastBackup():
            set_last_backup(shop, name, now())
        case _:
            raise TypeError(fault)


def node_label(shop: Shop, name: str) -> str:
    return f"for-{shop.namespace}-{name}"


def set_last_backup(shop: Shop, name: str, at: str) -> None:
    patch_status(shop, "cronjob", f"{name}-backup", {"lastSuccessfulTime": at})


# Tests ----------------------------------------------------------------------------------------


def test_every_failed_release_is_reported_harms_nothing_and_recovers(shared: Shop) -> None:
    """All at once, each in a BookStore of its own: most of the time is spent waiting."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        playing = {key: pool.submit(play, shared, key) for key in AT_ONCE_CASES}
    wrong = {key: error for key, future in playing.items() if (error := future.exception())}
    for error in wrong.values():
        traceback.print_exception(error)
    assert not wrong, "\n\n".join(f"{key}: {error}" for key, error in wrong.items())


def play(shared: Shop, key: str) -> None:
    """Make a BookStore fail, check its report and that serving is not changed; then fix it."""
    case, name = AT_ONCE_CASES[key], f"s-{key}"
    plain: dict[str, Any] = {"replicas": 2, "rollout": PATIENT}
    shared.apply(name, **plain, **{k: v for k, v in case.spec.items() if k != "migration"})
    shared.ready(name)
    begin_before(shared, name, case.fault)
    serves = what_serves(shared, name)
    if case.releases:
        shared.apply(name, **plain, **spec_of(shared, name, case))
    begin_after(shared, name, case.fault)
    assert_reported(shared, name, case)
    assert_harmless(shared, name, serves)
    end(shared, name, case.fault)
    shared.ready(name, image=image_of(case.fault) if case.releases else "")
    assert condition(shared.store(name), "Stalled")["status"] == "False"
    wait_for(
        lambda: condition(shared.store(name), case.condition)["reason"] != case.reason,
        REPORT_SECONDS,
        f"{case.reason} to be over",
    )
    shared.delete(name)


def assert_reported(shop: Shop, name: str, case: Failure) -> None:
    """Wait until condition and event name the object, the cause and what to do."""
    last: dict[str, Any] = {}

    def tells(message: str) -> bool:
        return case.is_told_by(message, name, image_of(case.fault))

    def is_reported() -> bool:
        last.update(condition(shop.store(name), case.condition))
        expected = (case.status, case.reason)
        return (last.get("status"), last.get("reason")) == expected and tells(last["message"])

    def has_event() -> bool:
        events = shop.list("events.k8s.io/v1/events", f"bookstore.dev/store={name}")
        mine = [e for e in events if (e["type"], e["reason"]) == ("Warning", case.reason)]
        return any(tells(event["note"]) for event in mine)

    try:
        wait_for(is_reported, REPORT_SECONDS, f"{case.reason} to be reported")
    except AssertionError:
        raise AssertionError(f"{last}, not {case.reason} {case.words}") from None
    print(f"{name}: {last['type']} {last['status']} {last['reason']}: {last['message']}")
    if case.warns:
        wait_for(has_event, 30, "a Warning event")


def what_serves(shop: Shop, name: str) -> Any:
    """Return the specs of the Service and the active Deployment, and its ready replicas."""
    service = shop.require("v1/services", name)
    blue = shop.require("apps/v1/deployments", f"{name}-blue")
    assert condition(shop.store(name), "Available")["status"] == "True"
    return service["spec"], blue["spec"], blue["status"]["readyReplicas"]


def assert_harmless(shop: Shop, name: str, serves: Any) -> None:
    """Assert that the same serves, and that the failure causes no further writes."""
    assert what_serves(shop, name) == serves
    assert_quiet(shop, name)


def assert_quiet(shop: Shop, name: str) -> None:
    """Wait for a time without writes and with few retries.

    Controllers may still have work to do; a hot loop would never be quiet.
    """

    def quiet() -> bool:
        before, tries = versions(shop, name), retries(shop, name)
        pass_time(shop, QUIET_SECONDS)
        seldom = retries(shop, name) - tries <= QUIET_SECONDS
        return seldom and versions(shop, name) == before

    # With all cases at once, controllers and retries (after 10 s and more) take their time.
    wait_for(quiet, REPORT_SECONDS, f"{QUIET_SECONDS} s without a write for {name}")


def retries(shop: Shop, name: str) -> int:
    """Return how often the operator logged a retry for this BookStore."""
    key = f"{shop.namespace}/{name}"
    return sum(line.get("store") == key for line in shop.operator.logged("Retrying in"))


def versions(shop: Shop, name: str) -> dict[str, str]:
    """Return the resourceVersions of a BookStore's objects by uid: every write changes one."""
    selector = f"bookstore.dev/store={name}"
    owned = [item for kind in WRITTEN for item in shop.list(kind, selector)]
    metadata = [item["metadata"] for item in (shop.require("bookstores", name), *owned)]
    return {item["uid"]: item["resourceVersion"] for item in metadata}


def test_a_quota_for_pods_is_reported_for_jobs_and_deployments(operated: Shop) -> None:
    """Three Pods serve. A fourth may not be, then one more than that."""
    operated.apply(rollout=PATIENT)
    operated.ready()
    of_check = (
        "Job {name}-r2-validate can't create Pods",
        "exceeded quota: few",
        "Raise the quota",
    )
    of_job = replace(FAILURES["quota-for-the-migration"], words=of_check)
    for pods_allowed, case in (("3", of_job), ("4", FAILURES["quota-for-pods"])):
        operated.limit(pods=pods_allowed)
        serves = what_serves(operated, "demo")
        operated.apply(rollout=PATIENT, image=image("2"))
        assert_reported(operated, "demo", case)
        assert_harmless(operated, "demo", serves)
    operated.kubectl("delete", "quota", "few")
    operated.ready(image=image("2"))


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
    assert_reported(shared, name, FAILURES["database-volume-of-somebody"])
    assert shared.get("apps/v1/statefulsets", f"{name}-db") is None
    assert shared.get("v1/secrets", f"{name}-db") is None, "its password would not fit the data"
    assert_quiet(shared, name)
    shared.kubectl("delete", "pvc", f"data-{name}-db-0", "--timeout=10s")
    shared.ready(name)
    shared.delete(name)


def test_a_missing_and_a_malformed_secret_are_reported_until_fixed(shared: Shop) -> None:
    name, uri = "s-secret", "postgresql://books:secret@db/books"
    spec = {"database": {"external": {"secretName": "books"}}, "rollout": PATIENT}
    shared.provide("books", uri=uri)
    shared.apply(name, **spec)
    shared.ready(name)
    serves = what_serves(shared, name)
    shared.kubectl("delete", "secret", "books")
    shared.apply(name, **spec, image=image("2"))
    assert_reported(shared, name, FAILURES["database-secret-missing"])
    malformed = FAILURES["database-uri-malformed"]
    assert isinstance(malformed.fault, SecretMalformed)
    shared.provide("books", uri=malformed.fault.uri)
    assert_reported(shared, name, malformed)
    assert_harmless(shared, name, serves)
    assert "hush" not in shared.log.read_text(), "no value of a Secret is logged"
    shared.provide("books", uri=uri)
    shared.ready(name, image=image("2"))
    shared.delete(name)


def test_an_autoscaler_without_metrics_is_reported_and_keeps_its_count(shared: Shop) -> None:
    name, case = "s-metrics", FAILURES["autoscaler-without-metrics"]
    shared.apply(name, **case.spec, rollout=PATIENT)
    shared.ready(name)
    shared.kubectl("scale", "deployment", f"{name}-blue", "--replicas=4")
    # The controller looks every 15 s, and that there are no metrics yet is no failure.
    words = ("HorizontalPodAutoscaler {name} has no metrics", "spec.resources.requests.cpu")
    waiting = replace(case, reason="WaitingForMetrics", status="Unknown", words=words, warns=False)
    assert_reported(shared, name, waiting)
    end_the_wait_for_metrics(shared, name)
    assert_reported(shared, name, case)
    assert condition(shared.store(name), "Ready")["status"] == "True"
    assert shared.replicas(f"{name}-blue") == 4
    assert_quiet(shared, name)
    shared.delete(name)


def end_the_wait_for_metrics(shop: Shop, name: str) -> None:
    """Let the autoscaler have been without metrics for a long time."""
    scaler = shop.require("autoscaling/v2/horizontalpodautoscalers", name)
    conditions = [
        {**item, "lastTransitionTime": "2026-01-01T00:00:00Z"}
        for item in scaler["status"]["conditions"]
    ]
    patch_status(shop, "hpa", name, {"conditions": conditions})
