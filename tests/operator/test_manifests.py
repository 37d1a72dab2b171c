"""What installs the operator: its rights fit what it does, and are no larger."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bookstore_operator.core.kinds import (
    BACKUPS,
    BOOKSTORES,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    ENDPOINT_SLICES,
    EVENTS,
    KINDS,
    LEASES,
    MUTATING_WEBHOOKS,
    PODS,
    RESTORES,
    SECRETS,
    WATCHED,
    Resource,
)
from bookstore_operator.core.labels import STORE_LABEL
from bookstore_operator.kube import watch

pytestmark = pytest.mark.scenario

ROOT = Path(__file__).parents[2]
READ_ONLY = {RESTORES, ENDPOINT_SLICES}
PATCHED_ONLY = {BOOKSTORES}
LISTED_ONLY = {ENDPOINT_SLICES}


def manifests(path: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((ROOT / path).read_text()))


def rules(kind: str, name: str) -> list[dict[str, Any]]:
    """Return the rules of a role."""
    (role,) = (
        manifest
        for manifest in manifests("manifests/base/rbac.yaml")
        if (manifest["kind"], manifest["metadata"]["name"]) == (kind, name)
    )
    listed: list[dict[str, Any]] = role["rules"]
    return listed


def granted(rules: list[dict[str, Any]]) -> dict[tuple[str, str], set[str]]:
    """Return the verbs by group and resource (or resource/subresource)."""
    verbs: dict[tuple[str, str], set[str]] = {}
    for rule in rules:
        for group in rule["apiGroups"]:
            for plural in rule["resources"]:
                verbs.setdefault((group, plural), set()).update(rule["verbs"])
    return verbs


def required(resources: Iterable[Resource]) -> dict[tuple[str, str], set[str]]:
    """Return the same by the table of kinds."""
    verbs: dict[tuple[str, str], set[str]] = {}
    for resource in resources:
        verbs.setdefault((resource.group, resource.plural), set()).update(resource.verbs)
        for subresource, allowed in resource.subresources:
            verbs[resource.group, f"{resource.plural}/{subresource}"] = set(allowed)
    return verbs


def test_the_operator_may_do_what_the_table_of_kinds_says_and_no_more() -> None:
    in_cluster = [resource for resource in KINDS if resource is not LEASES]
    assert granted(rules("ClusterRole", "bookstore-operator")) == required(in_cluster)
    assert granted(rules("Role", "bookstore-operator-lease")) == required([LEASES])
    optional = granted(rules("ClusterRole", "bookstore-operator-webhooks"))
    assert optional == required([MUTATING_WEBHOOKS])


@pytest.mark.parametrize("resource", WATCHED, ids=lambda resource: resource.kind)
def test_watched_kinds_can_be_listed_and_written_kinds_deleted(resource: Resource) -> None:
    """Whether each of them is used, too: tests/cluster/test_rights.py."""
    writes = set() if resource in READ_ONLY else {"create", "patch", "delete"}
    writes &= {"delete"} if resource is PODS else writes
    writes &= {"patch"} if resource in PATCHED_ONLY else writes
    writes -= {"delete"} if resource is DISRUPTION_BUDGETS else set()
    reads = {"list", "watch"} if resource in LISTED_ONLY else {"get", "list", "watch"}
    assert set(resource.verbs) == reads | writes


def test_secrets_are_read_by_name_only() -> None:
    assert set(SECRETS.verbs) == {"get", "create", "patch"}
    assert SECRETS not in WATCHED


def test_subresources_and_events_have_no_more_verbs_than_needed() -> None:
    assert dict(BOOKSTORES.subresources)["status"] == ("patch",)
    assert DEPLOYMENTS.subresources == (("scale", ("patch",)),)
    assert EVENTS.verbs == ("create", "patch")


def test_only_the_operators_own_lease_is_changed() -> None:
    lease = rules("Role", "bookstore-operator-lease")
    assert [rule.get("resourceNames") for rule in lease] == [None, ["bookstore-operator"]]
    assert lease[0]["verbs"] == ["create"]


def test_no_rule_has_a_wildcard() -> None:
    for manifest in manifests("manifests/install.yaml"):
        for rule in manifest.get("rules", []):
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]


def test_watches_select_labelled_objects_only() -> None:
    chosen = watch.settings().watching.label_selectors
    selected = {f"{selector.group}/{selector.any_name}": chosen[selector] for selector in chosen}
    expected = {
        f"{resource.group}/{resource.plural}": STORE_LABEL
        for resource in WATCHED
        if resource not in {BOOKSTORES, BACKUPS, RESTORES}
    }
    assert selected == expected


def test_the_single_file_has_all_that_the_base_lists() -> None:
    listed = yaml.safe_load((ROOT / "manifests/base/kustomization.yaml").read_text())["resources"]
    base = [item for name in listed for item in manifests(f"manifests/base/{name}")]
    installed = manifests("manifests/install.yaml")
    assert [item for item in installed if item["kind"] != "CustomResourceDefinition"] == base
