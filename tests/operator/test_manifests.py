"""What installs the operator: its rights fit what it does, and are no larger."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bookstore_operator.core.kinds import (
    BOOKSTORES,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    EVENTS,
    KINDS,
    LEASES,
    PODS,
    SECRETS,
    WATCHED,
    Resource,
)
from bookstore_operator.core.labels import STORE_LABEL
from bookstore_operator.kube import watch

pytestmark = pytest.mark.scenario

ROOT = Path(__file__).parents[2]
READ_ONLY = {BOOKSTORES, PODS, ENDPOINT_SLICES}


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


def granted(rules: list[dict[str, Any]]) -> dict[tuple[str, str], set[str]]:
    """The verbs by group and resource (or resource/subresource)."""
    found: dict[tuple[str, str], set[str]] = {}
    for rule in rules:
        for group in rule["apiGroups"]:
            for plural in rule["resources"]:
                found.setdefault((group, plural), set()).update(rule["verbs"])
    return found


def wanted(resources: Iterable[Resource]) -> dict[tuple[str, str], set[str]]:
    """The same by the table of kinds."""
    found: dict[tuple[str, str], set[str]] = {}
    for resource in resources:
        found.setdefault((resource.group, resource.plural), set()).update(resource.verbs)
        for subresource, verbs in resource.subresources:
            found[resource.group, f"{resource.plural}/{subresource}"] = set(verbs)
    return found


def test_the_operator_may_do_what_the_table_of_kinds_says_and_no_more() -> None:
    in_cluster = [resource for resource in KINDS if resource is not LEASES]
    assert granted(rules("ClusterRole", "bookstore-operator")) == wanted(in_cluster)
    assert granted(rules("Role", "bookstore-operator-lease")) == wanted([LEASES])


@pytest.mark.parametrize("resource", WATCHED, ids=lambda resource: resource.kind)
def test_what_is_watched_is_listed_and_what_is_made_can_be_deleted(resource: Resource) -> None:
    writes = set() if resource in READ_ONLY else {"create", "patch", "delete"}
    assert set(resource.verbs) == {"get", "list", "watch"} | writes


def test_secrets_are_read_by_name_only() -> None:
    assert set(SECRETS.verbs) == {"get", "create", "patch"}
    assert SECRETS not in WATCHED


def test_other_roles_are_as_small() -> None:
    assert dict(BOOKSTORES.subresources)["status"] == ("patch",)
    assert DEPLOYMENTS.subresources == (("scale", ("patch",)),)
    assert EVENTS.verbs == ("create", "patch")


def test_only_the_operators_own_lease_is_changed() -> None:
    lease = rules("Role", "bookstore-operator-lease")
    assert [rule.get("resourceNames") for rule in lease] == [None, ["bookstore-operator"]]
    assert lease[0]["verbs"] == ["create"]


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
