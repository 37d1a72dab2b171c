"""Each right that is taken away is named by the BookStore; the process goes on, and so does it."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.kubectl import KubectlError
from tests.cluster.conftest import QUICK, ROOT, Shop, image
from tests.support.kube import condition, wait_for

pytestmark = pytest.mark.cluster

Right = tuple[str, str, str]
RBAC = "rbac.authorization.k8s.io"
ACCOUNT: dict[str, str] = {"kind": "ServiceAccount", "name": "helper"}


def rights() -> Iterator[Right]:
    """Yield the single rights of the shipped ClusterRole."""
    manifests = yaml.safe_load_all((ROOT / "manifests" / "base" / "rbac.yaml").read_text())
    role = next(manifest for manifest in manifests if manifest["kind"] == "ClusterRole")
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                yield from ((group, resource, verb) for verb in rule["verbs"])


def grant(shop: Shop, *without: Right) -> None:
    """Give an operator all rights in this namespace but some."""
    rules = [
        {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
        for group, resource, verb in rights()
        if (group, resource, verb) not in without
    ]
    head = {"apiVersion": f"{RBAC}/v1", "metadata": {"name": "helper"}}
    reference = {"apiGroup": RBAC, "kind": "Role", "name": "helper"}
    account = {**ACCOUNT, "namespace": shop.namespace}
    shop.kubectl.apply({**head, "kind": "Role", "rules": rules})
    binding = {"kind": "RoleBinding", "roleRef": reference, "subjects": [account]}
    shop.kubectl.apply({**head, **binding})


@pytest.fixture
def helped(shop: Shop, tmp_path: Path) -> Shop:
    """Return a namespace with an operator whose rights are those of a Role in it."""
    shop.kubectl("create", "serviceaccount", "helper")
    grant(shop)
    config: dict[str, Any] = json.loads(shop.cluster.operator_kubeconfig.read_text())
    config["users"][0]["user"]["token"] = shop.kubectl("create", "token", "helper").strip()
    (tmp_path / "helper").write_text(json.dumps(config))
    shop.start(kubeconfig=tmp_path / "helper")
    return shop


def named(shop: Shop, right: Right) -> Callable[[], bool]:
    group, resource, verb = right
    text = f"{verb} {resource}{'.' if group else ''}{group}"
    return lambda: text in condition(shop.store(), "Ready").get("message", "")


def test_rights_to_write_that_are_taken_away_are_named_while_all_goes_on(helped: Shop) -> None:
    """Each single right of the role: tests/operator/runtime/test_rights.py."""
    helped.apply(replicas=1)
    helped.ready()
    some = (
        *(("events.k8s.io", "events", "create"), ("", "events", "list"), ("", "pods", "delete")),
        *(("apps", "deployments/scale", "patch"), ("batch", "cronjobs", "delete")),
    )
    assert {*some} <= {*rights()}
    grant(helped, *some)
    for right in some:
        wait_for(named(helped, right), 40, f"{right} to be named")
    # The color before stays warm: it can't be scaled down without the right.
    warm = {**QUICK, "rollbackWindowSeconds": 600}
    helped.apply(replicas=1, image=image("2"), rollout=warm)
    helped.ready(image=image("2"))
    grant(helped)
    wait_for(lambda: not said_missing(helped), 40, "it to report that no right is missing")
    assert helped.operator.process.poll() is None


def said_missing(shop: Shop) -> bool:
    return "may not" in condition(shop.store(), "Ready").get("message", "")


def test_an_operator_that_may_not_watch_reports_it_and_goes_on(helped: Shop) -> None:
    helped.apply(replicas=1)
    helped.ready()
    lost = ("apps", "deployments", "watch"), ("", "services", "list")
    grant(helped, *lost)
    for right in lost:
        wait_for(named(helped, right), 40, f"{right} to be named")
    helped.reports("Ready", "PermissionMissing", "no release takes a step", status="False")
    helped.apply(replicas=1, image=image("2"))
    with suppress(KubectlError):
        helped.kubectl("delete", "service", "demo", "--wait=false")
    assert helped.get("bookstorereleases", "demo-r2") is None
    grant(helped)
    helped.ready(image=image("2"))
    assert helped.operator.process.poll() is None
    assert helped.operator.logged(f"Namespace {helped.namespace} is served again")
