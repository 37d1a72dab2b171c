"""What installs the operator: its rights fit what it does, and are no larger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bookstore_operator.core.kinds import (
    BOOKSTORES,
    DEPLOYMENTS,
    SECRETS,
    STORE_LABEL,
    WATCHED,
    Resource,
)
from bookstore_operator.kube import watch
from bookstore_operator.kube.events import EVENTS
from bookstore_operator.kube.leader import LEASES

pytestmark = pytest.mark.scenario

ROOT = Path(__file__).parents[2]
READ_ONLY = {"bookstores", "pods", "endpointslices"}


def manifests(path: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((ROOT / path).read_text()))


def rules(kind: str, name: str) -> list[dict[str, Any]]:
    found = [
        each
        for each in manifests("manifests/base/rbac.yaml")
        if (each["kind"], each["metadata"]["name"]) == (kind, name)
    ]
    listed: list[dict[str, Any]] = found[0]["rules"]
    return listed


def verbs(resource: Resource, subresource: str = "") -> set[str]:
    """The verbs that the operator's ClusterRole has for a resource."""
    plural = f"{resource.plural}/{subresource}" if subresource else resource.plural
    return {
        verb
        for rule in rules("ClusterRole", "bookstore-operator")
        if resource.group in rule["apiGroups"] and plural in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.mark.parametrize("resource", WATCHED, ids=lambda resource: resource.kind)
def test_the_operator_may_do_what_it_does_and_no_more(resource: Resource) -> None:
    reads = {"get", "list", "watch"}
    writes = set() if resource.plural in READ_ONLY else {"create", "patch", "delete"}
    assert verbs(resource) == reads | writes


def test_secrets_are_read_by_name_only() -> None:
    assert verbs(SECRETS) == {"get", "create", "patch"}
    assert SECRETS not in WATCHED


def test_the_rest_is_as_small() -> None:
    assert verbs(BOOKSTORES, "status") == {"patch"}
    assert verbs(DEPLOYMENTS, "scale") == {"patch"}
    assert verbs(EVENTS) == {"create", "patch"}
    lease = rules("Role", "bookstore-operator-lease")
    assert [rule["resources"] for rule in lease] == [[LEASES.plural], [LEASES.plural]]
    assert lease[1]["resourceNames"] == ["bookstore-operator"]


def test_there_is_no_wildcard() -> None:
    for manifest in manifests("manifests/install.yaml"):
        for rule in manifest.get("rules", []):
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]


def test_watches_ask_the_server_for_our_objects_only() -> None:
    chosen = watch.settings().watching.label_selectors
    selected = {f"{selector.group}/{selector.any_name}": chosen[selector] for selector in chosen}
    wanted = {
        f"{resource.group}/{resource.plural}": STORE_LABEL
        for resource in WATCHED
        if resource is not BOOKSTORES
    }
    assert selected == wanted


def test_the_single_file_has_all_that_the_base_lists() -> None:
    listed = yaml.safe_load((ROOT / "manifests/base/kustomization.yaml").read_text())["resources"]
    base = [each for name in listed for each in manifests(f"manifests/base/{name}")]
    installed = manifests("manifests/install.yaml")
    assert [each for each in installed if each["kind"] != "CustomResourceDefinition"] == base
