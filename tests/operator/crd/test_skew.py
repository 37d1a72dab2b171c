"""CRDs of another version than the operator's."""

import copy
import re
from typing import Any

import pytest

from bookstore_operator.crd.schema import crds
from bookstore_operator.crd.skew import declared, narrower_spec, outdated_message

pytestmark = pytest.mark.scenario


def installed() -> dict[str, Any]:
    return {
        crd["spec"]["names"]["kind"]: copy.deepcopy(
            crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        )
        for crd in crds()
    }


def test_the_own_crds_and_newer_ones_are_fine() -> None:
    schemas = installed()
    assert outdated_message(schemas) == ""
    schemas["BookStore"]["properties"]["spec"]["properties"]["later"] = {"type": "string"}
    assert outdated_message(schemas) == ""
    assert outdated_message({}) == "", "not known yet"


@pytest.mark.parametrize(
    ("kind", "path", "named"),
    [
        ("BookStoreRelease", ("status", "heldSince"), "bookstorereleases.bookstore.dev lacks"),
        ("BookStore", ("status", "active", "image"), "lacks status.active.image."),
        ("BookStore", ("spec", "backup", "schedule"), "lacks spec.backup.schedule."),
    ],
)
def test_a_missing_field_is_named(kind: str, path: tuple[str, ...], named: str) -> None:
    schemas = installed()
    node = schemas[kind]
    for name in path[:-1]:
        node = node["properties"][name]
    del node["properties"][path[-1]]
    assert named in outdated_message(schemas)
    assert "kubectl apply --server-side -f crds/" in outdated_message(schemas)


def test_a_field_of_a_lists_items_is_found_and_many_are_counted() -> None:
    schemas = installed()
    status = schemas["BookStore"]["properties"]["status"]["properties"]
    del status["conditions"]["items"]["properties"]["observedGeneration"]
    assert "status.conditions[].observedGeneration" in outdated_message(schemas)
    schemas["BookStore"]["properties"]["status"]["properties"] = {}
    assert re.search(r" and \d+ more\.", outdated_message(schemas))


@pytest.mark.parametrize(
    ("kind", "path", "change", "named"),
    [
        (
            "BookStoreRelease",
            ("status", "properties", "message"),
            {"maxLength": 100},
            "CRD bookstorereleases.bookstore.dev allows less than this operator writes: "
            "status.message has maxLength 100, not 4096.",
        ),
        (
            "BookStoreRelease",
            ("status", "properties", "result"),
            {"enum": ["Failed", "Promoted"]},
            "status.result can only be Failed, Promoted.",
        ),
        (
            "BookStoreRelease",
            ("spec", "properties", "color"),
            {"enum": ["blue"]},
            "spec.color can't be green.",
        ),
        (
            "BookStoreRelease",
            ("status", "properties", "attempts"),
            {"maximum": 3},
            "status.attempts has maximum 3, not ",
        ),
        (
            "BookStoreRelease",
            ("status", "properties", "lastAttempt"),
            {"required": ["number", "startedAt", "executor"]},
            "status.lastAttempt requires executor.",
        ),
        (
            "BookStore",
            ("status", "properties", "conditions", "items", "properties", "reason"),
            {"pattern": "^[A-Z]*$"},
            "CRD bookstores.bookstore.dev allows less than this operator writes: "
            "status.conditions[].reason must match ^[A-Z]*$.",
        ),
        (
            "BookStore",
            ("status",),
            {"x-kubernetes-validations": [{"rule": "self.replicas < 3"}]},
            "status has the rule self.replicas < 3.",
        ),
        ("BookStore", ("status", "properties", "replicas"), {"type": "string"}, "is of type str"),
    ],
)
def test_a_crd_that_allows_less_than_is_written_is_named(
    kind: str, path: tuple[str, ...], change: dict[str, Any], named: str
) -> None:
    schemas = installed()
    node = schemas[kind]["properties"]
    for name in path:
        node = node[name]
    node |= change
    assert named in outdated_message(schemas)


def test_a_crd_that_allows_more_is_fine_and_a_narrower_spec_stops_no_release() -> None:
    schemas = installed()
    status = schemas["BookStoreRelease"]["properties"]["status"]["properties"]
    status["message"] |= {"maxLength": 10_000}
    del status["database"]["maxLength"]
    assert outdated_message(schemas) == ""
    assert narrower_spec(schemas) == ""
    spec = schemas["BookStore"]["properties"]["spec"]["properties"]
    spec["environment"]["enum"] = ["production", "staging"]
    spec["replicas"]["maximum"] = 5
    assert outdated_message(schemas) == "", "no write of the operator's is rejected"
    assert "spec.environment can't be development, spec.replicas has maximum 5, not 1000." in (
        narrower_spec(schemas)
    )


def test_the_report_is_cut_to_what_an_older_crd_takes() -> None:
    schemas = installed()
    status = schemas["BookStore"]["properties"]["status"]["properties"]
    status["conditions"]["items"]["properties"]["message"]["maxLength"] = 10
    condition = {"type": "Ready", "message": "x" * 50}
    (written,) = declared({"conditions": [condition]}, schemas)["conditions"]
    assert written == {"type": "Ready", "message": "x" * 9 + "…"}


def test_a_status_is_written_as_far_as_the_crd_declares_it() -> None:
    schemas = installed()
    properties = schemas["BookStore"]["properties"]["status"]["properties"]
    del properties["lastBackupAt"]
    del properties["conditions"]["items"]["properties"]["observedGeneration"]
    condition = {"type": "Ready", "status": "True", "observedGeneration": 1}
    status = {"conditions": [condition], "lastBackupAt": "x", "replicas": 1}
    assert declared(status, schemas) == {
        "conditions": [{"type": "Ready", "status": "True"}],
        "replicas": 1,
    }
    assert declared(status, {}) == status
