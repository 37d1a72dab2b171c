"""The operator as a process: killed, doubled, refused, at rest."""

import json
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.kubectl import KubectlError
from tests.cluster.conftest import ROOT, SYSTEM, Shop, image, pass_time
from tests.support.kube import condition, holds, wait_for

pytestmark = pytest.mark.cluster

KINDS = (
    *("bookstores", "bookstorereleases", "apps/v1/deployments", "apps/v1/statefulsets"),
    *("batch/v1/jobs", "batch/v1/cronjobs", "v1/services", "v1/persistentvolumeclaims"),
    *("v1/secrets", "policy/v1/poddisruptionbudgets", "events.k8s.io/v1/events"),
    *("autoscaling/v2/horizontalpodautoscalers", "networking.k8s.io/v1/networkpolicies"),
)


def versions(shop: Shop) -> dict[str, str]:
    """What every write of the operator's would change.

    Of Events only its own: others go on writing about theirs, such as the scheduler.
    """
    return {
        f"{kind}/{obj['metadata']['name']}": obj["metadata"]["resourceVersion"]
        for kind in KINDS
        for obj in shop.list(kind, "")
        if obj.get("reportingController") in (None, "bookstore-operator")
    }


def settled(shop: Shop) -> dict[str, str]:
    """Wait until nothing changes any more."""
    last: dict[str, str] = {}

    def is_so() -> bool:
        nonlocal last
        now = versions(shop)
        quiet, last = now == last, now
        if not quiet:
            pass_time(shop, 1)
        return quiet

    wait_for(is_so, 60, "the BookStore to settle")
    return last


@pytest.mark.invariant
def test_a_settled_bookstore_gets_no_writes_also_after_a_restart(operated: Shop) -> None:
    operated.apply(replicas=2, backup={"schedule": "0 3 1 1 *"})
    operated.ready()
    at_rest = settled(operated)
    acted = len(operated.operator.actions())
    pass_time(operated, 5)
    assert versions(operated) == at_rest
    assert operated.operator.actions()[acted:] == []

    assert operated.operator.stop() == 0
    before = len(operated.operator.lines())
    operated.start()
    wait_for(lambda: operated.operator.logged("started")[1:], 20, "the second operator")
    pass_time(operated, 5)
    assert versions(operated) == at_rest
    assert [line for line in operated.operator.lines()[before:] if "object" in line] == []


@pytest.mark.invariant
def test_an_operator_killed_during_a_release_continues_after_its_restart(shop: Shop) -> None:
    operator = shop.start()
    shop.apply(replicas=2)
    shop.ready()
    shop.apply(replicas=2, image=image("2-job-slow"))
    job = "demo-r2-expand"
    wait_for(lambda: shop.get("batch/v1/jobs", job), 60, "the release to migrate")
    operator.stop(signal.SIGKILL)
    assert shop.serving() == image("1")
    shop.start()
    shop.ready(image=image("2-job-slow"))
    assert shop.serving() == image("2-job-slow")
    assert len(shop.list("bookstorereleases")) == 2
    assert migrations(shop) == {"demo-r1-expand", job}, "the migration was not started twice"


@pytest.mark.invariant
def test_an_operator_killed_at_any_time_still_completes_the_release(shop: Shop) -> None:
    """Kill it after its first write, then after two more, and so on until it is done."""
    shop.apply(replicas=1)
    kills = 0
    while not holds(shop.store(), "Ready"):
        operator = shop.start()
        done = len([line for line in operator.actions() if line["level"] == "info"])

        def has_written(enough: int = done + 1 + kills) -> bool:
            wrote = [line for line in shop.operator.actions() if line["level"] == "info"]
            return len(wrote) >= enough or holds(shop.store(), "Ready")

        wait_for(has_written, 60, "the next writes")
        operator.stop(signal.SIGKILL)
        kills += 1
    assert kills >= 5
    shop.start()
    shop.ready()
    assert len(shop.list("bookstorereleases")) == 1
    assert migrations(shop) == {"demo-r1-expand"}
    jobs = {job["metadata"]["name"] for job in shop.list("batch/v1/jobs")}
    checks = {"demo-r1-validate", "demo-r1-budget", "demo-r1-smoke"}
    assert jobs == {"demo-r1-expand", *checks}, "no Job was made twice"


def migrations(shop: Shop) -> set[str]:
    """Return the names of the Jobs that migrate."""
    jobs = shop.list("batch/v1/jobs", "app.kubernetes.io/component=migration")
    return {job["metadata"]["name"] for job in jobs}


@pytest.fixture
def helper(shop: Shop, tmp_path: Path) -> Path:
    """Return a kubeconfig of a ServiceAccount without any rights."""
    shop.kubectl("create", "serviceaccount", "helper")
    config = json.loads(shop.cluster.operator_kubeconfig.read_text())
    config["users"][0]["user"]["token"] = shop.kubectl("create", "token", "helper").strip()
    path = tmp_path / "helper.kubeconfig"
    path.write_text(json.dumps(config))
    return path


def test_an_operator_without_permissions_exits(shop: Shop, helper: Path) -> None:
    """A message and an exit code, so that whoever installs it notices."""
    operator = shop.start(kubeconfig=helper)
    wait_for(lambda: operator.process.poll() is not None, 90, "the process to end")
    assert operator.process.returncode == 1
    last = operator.lines()[-1]
    assert last["level"] == "critical"
    assert "may not list" in last["event"]
    assert "manifests/base/rbac.yaml" in last["event"]


def test_an_operator_that_loses_all_permissions_goes_on_once_they_are_back(
    shop: Shop, helper: Path
) -> None:
    """Which rights, one by one: test_missing_rights.py."""
    binding = _role_binding(
        shop.namespace,
        {"kind": "ServiceAccount", "name": "helper", "namespace": shop.namespace},
    )
    shop.kubectl.apply(binding)
    operator = shop.start(kubeconfig=helper)
    shop.apply(replicas=1)
    shop.ready()
    shop.kubectl("delete", "rolebinding", "helper")
    wait_for(lambda: operator.logged("is not served"), 60, "the loss to be noticed")
    shop.apply(replicas=1, image=image("2"))
    shop.kubectl.apply(binding)
    shop.ready(image=image("2"))
    assert operator.logged("is served again")
    assert operator.process.poll() is None


def _role_binding(namespace: str, subject: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "helper", "namespace": namespace},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "bookstore-operator",
        },
        "subjects": [subject],
    }


def test_a_quota_is_reported_until_it_is_raised(operated: Shop) -> None:
    operated.limit(services="0")
    operated.apply(replicas=1)
    operated.reports("Ready", "QuotaExceeded", "exceeded quota")
    assert condition(operated.store(), "Ready")["status"] == "False"
    wait_for(lambda: "exceeded quota" in operated.kubectl("get", "events"), 30, "its event")
    operated.kubectl("delete", "quota", "few")
    operated.ready()


def test_a_foreign_object_with_our_name_is_not_changed(operated: Shop) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "demo"},
        "spec": {"ports": [{"port": 1}], "selector": {"somebody": "else"}},
    }
    operated.kubectl.apply(service)
    operated.apply(replicas=1)
    operated.reports("Ready", "NameConflict", "does not belong")
    assert operated.require("v1/services", "demo")["spec"]["selector"] == {"somebody": "else"}
    operated.kubectl("delete", "service", "demo")
    operated.ready()


def test_secrets_can_neither_be_listed_nor_watched(shop: Shop) -> None:
    account = f"--as=system:serviceaccount:{SYSTEM}:bookstore-operator"
    for verb in ("list", "watch", "delete"):
        with pytest.raises(KubectlError):
            shop.kubectl("auth", "can-i", verb, "secrets", account)
    assert "yes" in shop.kubectl("auth", "can-i", "get", "secrets", account)


def test_the_operators_own_pod_is_restricted(shop: Shop) -> None:
    """Its Deployment, in a namespace that enforces the standard, gets its Pod."""
    deployment = yaml.safe_load((ROOT / "manifests" / "base" / "deployment.yaml").read_text())
    deployment["metadata"]["namespace"] = shop.namespace
    shop.kubectl("create", "serviceaccount", "bookstore-operator")
    shop.kubectl.apply(deployment)
    label = "app.kubernetes.io/name=bookstore-operator"
    wait_for(lambda: shop.list("v1/pods", label), 30, "the operator's Pod")


def test_people_view_edit_and_approve_with_roles_of_their_own(shop: Shop) -> None:
    """View and edit are the cluster's own roles; who edits need not be who approves."""
    roles = {"viewer": ["view"], "editor": ["edit"], "approver": ["view", "bookstore-approver"]}
    for person, names in roles.items():
        for role in names:
            shop.kubectl(
                *("create", "rolebinding", f"{person}-{role}"),
                *(f"--clusterrole={role}", f"--user={person}"),
            )
    rights = {
        ("get", "bookstores"): {"viewer", "editor", "approver"},
        ("get", "bookstorereleases"): {"viewer", "editor", "approver"},
        ("create", "bookstores"): {"editor"},
        ("patch", "bookstores"): {"editor"},
        ("patch", "bookstorereleases"): {"approver"},
        ("create", "bookstorereleases"): set[str](),
        ("delete", "bookstorereleases"): set[str](),
    }
    for (verb, plural), expected in rights.items():
        for person in expected:
            wait_for(
                partial(_may, shop, verb, plural, person),
                20,
                f"{person} to be allowed to {verb} {plural}",
            )
    for (verb, plural), expected in rights.items():
        allowed = {person for person in roles if _may(shop, verb, plural, person)}
        assert allowed == expected, f"{verb} {plural}"


def _may(shop: Shop, verb: str, plural: str, person: str) -> bool:
    try:
        answer = shop.kubectl("auth", "can-i", verb, f"{plural}.bookstore.dev", f"--as={person}")
    except KubectlError:
        return False
    return "yes" in answer
