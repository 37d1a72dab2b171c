"""What others do to one BookStore: reported, slowed down, and harmless to all others."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from demo.kubectl import KubectlError
from tests.cluster.conftest import QUICK, Shop, image, pass_time, shop_in_namespace
from tests.cluster.test_faults import start
from tests.cluster.test_operator import _role_binding
from tests.support import faulty
from tests.support.faulty import Fault, Proxy
from tests.support.kube import condition, wait_for

pytestmark = pytest.mark.cluster

SCHEMAS = "/openapi/v3/apis/bookstore.dev/v1alpha1"


# Two managers of one object --------------------------------------------------------------------


@pytest.mark.invariant
def test_two_operators_with_other_options_settle_and_name_each_other(operated: Shop) -> None:
    operated.apply(replicas=1)
    operated.ready()
    operated.start("--no-leader-election", "--postgres-image=postgres:17", log="other.log")
    operated.reports("Ready", "ChangedByOthers", "StatefulSet demo-db", "another operator")
    operated.reports("Stalled", "ChangedByOthers", "containers.postgres.image", status="True")
    before = generation(operated)
    assert before < 30, "each has had its few repairs at once"
    pass_time(operated, 5)
    assert generation(operated) - before <= 4
    operated.operator.stop()


def generation(shop: Shop) -> int:
    database = shop.require("apps/v1/statefulsets", "demo-db")
    return int(database["metadata"]["generation"])


def test_a_field_manager_that_insists_is_named(operated: Shop) -> None:
    operated.apply(replicas=1)
    operated.ready()
    change = ("pdb", "demo", "--type=merge", "-p", '{"spec": {"maxUnavailable": 7}}')

    def is_reported() -> bool:
        if (
            operated.require("policy/v1/poddisruptionbudgets", "demo")["spec"]["maxUnavailable"]
            != 7
        ):
            operated.kubectl("patch", *change, "--field-manager=gitops")
        return condition(operated.store(), "Ready").get("reason") == "ChangedByOthers"

    wait_for(is_reported, 30, "the contest to be reported")
    operated.reports("Ready", "ChangedByOthers", "PodDisruptionBudget demo", "gitops", "maxUnav")


# The API server and its webhooks ---------------------------------------------------------------


@contextmanager
def dead_webhook(shop: Shop) -> Iterator[str]:
    """Have the API server ask a webhook about Deployments, of which nothing answers."""
    name = f"{shop.namespace}.policies.example"
    webhook = {
        "name": name,
        "clientConfig": {"url": "https://127.0.0.1:1/validate"},
        "rules": [
            {
                "apiGroups": ["apps"],
                "apiVersions": ["v1"],
                "operations": ["*"],
                "resources": ["deployments"],
            }
        ],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": shop.namespace}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 2,
    }
    kind = "ValidatingWebhookConfiguration"
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind}
    shop.kubectl.apply({**head, "metadata": {"name": shop.namespace}, "webhooks": [webhook]})
    try:
        yield name
    finally:
        shop.kubectl("delete", kind, shop.namespace)


def test_a_webhook_that_is_down_is_named_and_fails_no_release(operated: Shop) -> None:
    operated.apply(replicas=1)
    operated.ready()
    with dead_webhook(operated) as webhook:
        operated.apply(replicas=1, image=image("2"))
        operated.reports("Ready", "WebhookFailed", webhook, "Deployment demo-green")
        assert condition(operated.store(), "Available")["status"] == "True"
        # More than the stage may have taken before its clock was stopped.
        deadline_over = {**QUICK, "progressDeadlineSeconds": 5}
        operated.apply(replicas=1, image=image("2"), rollout=deadline_over)
        pass_time(operated, 7)
        release = operated.require("bookstorereleases", "demo-r2")
        assert "result" not in release["status"], release["status"]
        assert release["status"]["heldSince"]
        operated.apply(replicas=1, image=image("2"))
    operated.ready(image=image("2"))


def test_secrets_that_may_not_be_read_are_reported(shop: Shop, proxy: Proxy) -> None:
    operator = start(shop, proxy)
    shop.apply(replicas=1)
    shop.ready()
    rule = proxy.fail(faulty.answer(403, "Forbidden"), "/secrets/")
    shop.kubectl("delete", "service", "demo", "--wait=false")
    shop.reports("Ready", "SecretForbidden", "Secrets", "rbac.yaml")
    wait_for(lambda: shop.get("v1/services", "demo"), 20, "the Service to be repaired")
    assert operator.process.poll() is None
    rule.left = 0
    shop.ready()


# What the operator finds -----------------------------------------------------------------------


def test_a_stage_of_a_newer_operator_is_told_and_the_service_is_repaired(operated: Shop) -> None:
    operated.apply(replicas=1)
    operated.ready()
    operated.apply(replicas=1, image=image("2-pod-unready"))
    wait_for(lambda: stage(operated) == "Start", 30, "the release to start")

    def is_newer() -> bool:
        """Write the stage, until the operator has no write of its own left to make."""
        if stage(operated) != "Canary":
            operated.kubectl(
                *("patch", "bookstorerelease", "demo-r2", "--subresource=status"),
                *("--type=merge", "-p", json.dumps({"status": {"stage": "Canary"}})),
            )
        return condition(operated.store(), "Ready").get("reason") == "RecordInvalid"

    wait_for(is_newer, 30, "the stage to be read")
    operated.reports("Ready", "RecordInvalid", "demo-r2 is at stage Canary", status="False")
    operated.kubectl("delete", "service", "demo")
    wait_for(lambda: operated.get("v1/services", "demo"), 20, "the Service to be repaired")
    operated.apply(replicas=1, image=image("3"))
    operated.ready(image=image("3"))


def stage(shop: Shop) -> str:
    release = shop.get("bookstorereleases", "demo-r2") or {}
    return str(release.get("status", {}).get("stage"))


@pytest.mark.parametrize(
    "spec",
    [
        {"scheduling": {"nodeSelector": {"no label key!" * 8 + str(n): "" for n in range(20)}}},
        {"networkPolicy": {"monitoring": {"podLabels": {"-x": "y"}}}},
        {"scheduling": {"nodeSelector": {f"example.com/{'x' * 64}": "y"}}},
    ],
    ids=["not-a-key", "begins-with-a-hyphen", "too-long"],
)
def test_keys_that_are_no_label_keys_are_rejected(shop: Shop, spec: dict[str, Any]) -> None:
    with pytest.raises(KubectlError, match="each key must be a name of at most 63"):
        shop.apply(**spec)


def test_older_crds_are_reported_and_no_release_begins(shop: Shop, proxy: Proxy) -> None:
    document = shop.cluster.plane.client().find(SCHEMAS)
    proxy.fail(older(document or {}), SCHEMAS)
    operator = start(shop, proxy)
    shop.apply(replicas=1)
    named = "CRD bookstorereleases.bookstore.dev lacks status.heldSince"
    shop.reports("Ready", "CRDOutdated", named, "kubectl apply --server-side -f crds/")
    assert operator.logged(named)
    assert shop.list("bookstorereleases") == []
    operator.stop()
    shop.start()
    shop.ready()


def older(document: dict[str, Any]) -> Fault:
    """Answer with the schemas without a field of the releases' status."""
    schema = document["components"]["schemas"]["dev.bookstore.v1alpha1.BookStoreRelease"]
    del schema["properties"]["status"]["properties"]["heldSince"]

    async def fault(_: Proxy, __: web.Request) -> web.StreamResponse:
        return web.json_response(document)

    return fault


# Namespaces ------------------------------------------------------------------------------------


@pytest.mark.invariant
def test_a_namespace_that_is_forbidden_does_not_end_the_others(
    shop: Shop, proxy: Proxy, tmp_path: Path
) -> None:
    with shop_in_namespace(shop.cluster, tmp_path / "lost.log") as lost:
        account = {"kind": "ServiceAccount", "name": "helper", "namespace": shop.namespace}
        shop.kubectl("create", "serviceaccount", "helper")
        token = shop.kubectl("create", "token", "helper").strip()
        binding = _role_binding(lost.namespace, account)
        shop.kubectl.apply(_role_binding(shop.namespace, account))
        kubeconfig = proxy.kubeconfig(shop.cluster.operator_kubeconfig, tmp_path / "helper")
        text = json.loads(kubeconfig.read_text())
        text["users"][0]["user"]["token"] = token
        kubeconfig.write_text(json.dumps(text))

        two = ("--no-leader-election", f"--namespace={lost.namespace}")
        operator = shop.start(*two, kubeconfig=kubeconfig)
        wait_for(lambda: operator.logged(f"Namespace {lost.namespace} is not served"), 30, "a log")
        shop.apply(replicas=1)
        lost.apply(replicas=1)
        shop.ready()

        lost.kubectl.apply(binding)
        lost.ready()
        assert operator.logged(f"Namespace {lost.namespace} is served again")

        lost.kubectl("delete", "rolebinding", "helper")
        proxy.cut_watches(f"/namespaces/{lost.namespace}/")
        unserved = f"Namespace {lost.namespace} is not served"
        wait_for(lambda: operator.logged(unserved)[1:], 60, "the lost namespace to be logged")
        shop.kubectl("delete", "service", "demo", "--wait=false")
        wait_for(lambda: shop.get("v1/services", "demo"), 20, "the other to be served")
        assert operator.process.poll() is None
