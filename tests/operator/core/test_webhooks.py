"""Which mutating webhooks may have changed an object: rules and selectors, as the API server's."""

from typing import Any

import pytest

from bookstore_operator.core.kinds import DEPLOYMENTS, SERVICES
from bookstore_operator.core.webhooks import mutators_of

pytestmark = pytest.mark.scenario

DEPLOYMENT: dict[str, Any] = {"metadata": {"name": "demo-blue", "labels": {"color": "blue"}}}
RULE: dict[str, Any] = {
    "apiGroups": ["apps"],
    "apiVersions": ["v1"],
    "operations": ["CREATE", "UPDATE"],
    "resources": ["deployments"],
    "scope": "*",
}
NAME = "MutatingWebhookConfiguration mirror (images.example)"


def names(rule: dict[str, Any] | None = None, **webhook: Any) -> tuple[str, ...]:
    one = {"name": "images.example", "rules": [{**RULE, **(rule or {})}], **webhook}
    mirror = {"metadata": {"name": "mirror"}, "webhooks": [one]}
    return mutators_of([mirror], DEPLOYMENTS, "shop", DEPLOYMENT)


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"apiGroups": ["*"], "resources": ["*"], "operations": ["*"]},
        {"resources": ["*/*"], "operations": ["UPDATE"]},
        {"scope": "Namespaced"},
    ],
)
def test_a_rule_for_the_kind_names_the_webhook(rule: dict[str, Any]) -> None:
    assert names(rule) == (NAME,)


@pytest.mark.parametrize(
    "rule",
    [
        {"apiGroups": [""]},
        {"resources": ["deployments/status", "pods"]},
        {"operations": ["DELETE", "CONNECT"]},
        {"scope": "Cluster"},
    ],
)
def test_a_rule_for_others_does_not(rule: dict[str, Any]) -> None:
    assert names(rule) == ()
    assert names(rules=[]) == ()


@pytest.mark.parametrize(
    ("requirement", "matches"),
    [
        ({"key": "color", "operator": "In", "values": ["blue"]}, True),
        ({"key": "color", "operator": "NotIn", "values": ["blue"]}, False),
        ({"key": "color", "operator": "Exists"}, True),
        ({"key": "other", "operator": "Exists"}, False),
        ({"key": "other", "operator": "DoesNotExist"}, True),
    ],
)
def test_the_labels_of_the_object_are_compared(requirement: dict[str, Any], matches: bool) -> None:
    assert bool(names(objectSelector={"matchExpressions": [requirement]})) is matches


def test_of_the_namespace_only_the_name_is_known() -> None:
    by_name = {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}
    assert names(namespaceSelector=by_name)
    other = {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["shop"]}
    assert not names(namespaceSelector={"matchExpressions": [other]})
    assert names(namespaceSelector={"matchLabels": {"mirror": "yes"}}), "it can't be excluded"


def test_configurations_with_fields_missing_name_nothing() -> None:
    cases: tuple[Any, ...] = (None, [], [{}], [{"name": "a", "rules": None}])
    for webhooks in cases:
        empty = {"metadata": {"name": "a"}, "webhooks": webhooks}
        assert mutators_of([empty], SERVICES, "shop", {"metadata": {}}) == ()
