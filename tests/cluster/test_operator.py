"""The operator as a process: killed, doubled, refused, at rest."""

import json
import signal
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
    wait_for(lambda: len(shop.list("batch/v1/jobs")) == 2, 30, "the release to migrate")
    operator.stop(signal.SIGKILL)
    assert shop.serving() == image("1")
    shop.start()
    shop.ready(image=image("2-job-slow"))
    assert shop.serving() == image("2-job-slow")
    assert len(shop.list("bookstorereleases")) == 2
    assert len(shop.list("batch/v1/jobs")) <= 2, "the migration was not started twice"


@pytest.mark.invariant
def test_an_operator_killed_at_any_time_still_completes_the_release(shop: Shop) -> None:
    """Kill it right after each of its first writes, again and again."""
    shop.apply(replicas=1)
    for kills in range(6):
        operator = shop.start()
        done = len([line for line in operator.actions() if line["level"] == "info"])

        def has_written(enough: int = done + 1 + kills) -> bool:
            wrote = [line for line in shop.operator.actions() if line["level"] == "info"]
            return len(wrote) >= enough or holds(shop.store(), "Ready")

        wait_for(has_written, 30, "the next write")
        operator.stop(signal.SIGKILL)
    shop.start()
    shop.ready()
    assert len(shop.list("bookstorereleases")) == 1
    assert len(shop.list("batch/v1/jobs")) == 1


def test_an_operator_without_permissions_exits(shop: Shop) -> None:
    """The right to watch is taken away: a sentence and an exit code, not blindness."""
    account = {"kind": "ServiceAccount", "name": "helper", "namespace": shop.namespace}
    shop.kubectl("create", "serviceaccount", "helper")
    shop.kubectl.apply(_role_binding(shop.namespace, account))
    token = shop.kubectl("create", "token", "helper").strip()
    plane = shop.cluster.plane
    kubeconfig = shop.log.with_name("helper.kubeconfig")
    text = json.loads(shop.cluster.operator_kubeconfig.read_text())
    text["users"][0]["user"]["token"] = token
    kubeconfig.write_text(json.dumps(text))
    shop.cluster = type(shop.cluster)(plane, kubeconfig)
    operator = shop.start()
    wait_for(lambda: operator.logged("started"), 20, "the operator")
    shop.apply(replicas=1)
    shop.ready()
    shop.kubectl("delete", "rolebinding", "helper")
    wait_for(lambda: operator.process.poll() is not None, 90, "the process to end")
    assert operator.process.returncode == 1
    assert operator.logged("may not list") or operator.logged("blind")


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
    assert "exceeded quota" in operated.kubectl("get", "events")
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


def test_users_view_and_edit_bookstores_with_the_clusters_own_roles(shop: Shop) -> None:
    shop.kubectl("create", "serviceaccount", "person")
    shop.kubectl("create", "rolebinding", "person", "--clusterrole=edit", _person(shop))
    as_person = f"--as=system:serviceaccount:{shop.namespace}:person"
    wait_for(
        lambda: _may(shop, "create", "bookstores", as_person), 20, "edit to include BookStores"
    )
    assert not _may(shop, "create", "bookstorereleases", as_person)
    assert _may(shop, "patch", "bookstorereleases", as_person)


def _person(shop: Shop) -> str:
    return f"--serviceaccount={shop.namespace}:person"


def _may(shop: Shop, verb: str, plural: str, who: str) -> bool:
    try:
        return "yes" in shop.kubectl("auth", "can-i", verb, f"{plural}.bookstore.dev", who)
    except KubectlError:
        return False
