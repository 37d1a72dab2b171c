"""Which of the operator's rights are missing, and what a namespace without them is like."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bookstore_operator.core.reasons import Reason
from bookstore_operator.kube.client import ForbiddenError, UnknownKindError
from bookstore_operator.runtime.rights import Right, describe, needed_rights, not_granted
from bookstore_operator.runtime.scopes import KEEP_SECONDS, Scopes

pytestmark = pytest.mark.scenario

ROOT = Path(__file__).parents[3]
LIST_PODS = Right("", "pods", "list")
POST_EVENTS = Right("events.k8s.io", "events", "create")


def rules_of(manifests: str, kind: str) -> list[dict[str, Any]]:
    documents = yaml.safe_load_all((ROOT / manifests).read_text())
    return next(d["rules"] for d in documents if d["kind"] == kind)


def single_rights() -> Iterator[Right]:
    for rule in rules_of("manifests/base/rbac.yaml", "ClusterRole"):
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                yield from (Right(group, resource, verb) for verb in rule["verbs"])


def test_the_shipped_role_grants_all_that_is_needed() -> None:
    assert not_granted(rules_of("manifests/base/rbac.yaml", "ClusterRole")) == []
    assert not_granted([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]) == []


def test_each_single_right_of_the_role_is_missed() -> None:
    rights = [right for right in single_rights() if not right.resource.endswith("/finalizers")]
    for right in rights:
        others = [
            {"apiGroups": [one.group], "resources": [one.resource], "verbs": [one.verb]}
            for one in rights
            if one != right
        ]
        assert not_granted(others) == [right]
    assert {*rights} == needed_rights()


def test_a_rule_for_names_grants_nothing_in_general() -> None:
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"], "resourceNames": ["a"]}
    assert not_granted([rule], frozenset({LIST_PODS})) == [LIST_PODS]


def test_missing_rights_are_described_with_the_manifest() -> None:
    text = describe([POST_EVENTS, *[LIST_PODS] * 6])
    assert text.startswith("The operator may not create events.events.k8s.io, list pods, list pods")
    assert " and 2 more. " in text
    assert "manifests/base/rbac.yaml" in text


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def scopes_of(*namespaces: str) -> tuple[Scopes, list[str], Clock]:
    dropped: list[str] = []
    clock = Clock()
    return Scopes(namespaces, dropped.append, clock), dropped, clock


@pytest.mark.parametrize("namespaces", [(), ("a",)])
def test_an_operator_without_rights_from_the_beginning_ends(namespaces: tuple[str, ...]) -> None:
    scopes, _, _ = scopes_of(*namespaces)
    with pytest.raises(ForbiddenError):
        scopes.lose(scopes.names[0], ForbiddenError("no"))


def test_a_running_operator_without_rights_reports_and_recovers() -> None:
    scopes, dropped, clock = scopes_of()
    scopes.started = True
    assert scopes.record_missing(None, (LIST_PODS,))
    assert not scopes.record_missing(None, (LIST_PODS,)), "reported once"
    scopes.lose(None, ForbiddenError(describe(scopes.lacks_watching(None))))
    blocker = scopes.blocker("shop")
    assert blocker
    assert "may not list pods" in blocker.message
    clock.now += 10 * KEEP_SECONDS
    scopes.lose(None, ForbiddenError("still"))
    assert dropped == [], "all is kept: it is served again"
    scopes.regain(None)
    assert scopes.blocker("shop"), "a list succeeds, but another kind's is forbidden still"
    scopes.record_missing(None, ())
    scopes.regain(None)
    assert scopes.blocker("shop") is None
    assert not scopes.lacks_any


def test_a_lost_namespace_reports_for_a_while_and_the_others_are_served() -> None:
    scopes, dropped, clock = scopes_of("a", "b")
    scopes.started = True
    scopes.lose("b", ForbiddenError("no"))
    assert scopes.blocker("b")
    assert scopes.blocker("a") is None
    assert dropped == []
    clock.now += KEEP_SECONDS + 1
    scopes.lose("b", ForbiddenError("no"))
    assert dropped == ["b"]


def test_without_the_crd_nobody_knows_which_release_serves() -> None:
    scopes, _, _ = scopes_of()
    with pytest.raises(UnknownKindError):
        scopes.lose(None, UnknownKindError("Install the CRDs.", "BookStore"))
    scopes.started = True
    scopes.lose(None, UnknownKindError("Install the CRDs.", "BookStoreRelease"))
    blocker = scopes.blocker("shop")
    assert blocker
    assert blocker.reason is Reason.CRD_OUTDATED
    assert blocker.hides_active
    assert "Install the CRDs. Until then" in blocker.message
    scopes.lose(None, ForbiddenError("no"))
    blocker = scopes.blocker("shop")
    assert blocker
    assert blocker.reason is Reason.PERMISSION_MISSING
    assert not blocker.hides_active


def test_rights_to_write_stop_no_release() -> None:
    scopes, _, _ = scopes_of("a")
    scopes.record_missing("a", (POST_EVENTS,))
    assert scopes.blocker("a") is None
    assert "create events.events.k8s.io" in scopes.missing_writes("a")
    assert scopes.lacks_any
