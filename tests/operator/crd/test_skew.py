"""CRDs of another version than the operator's."""

import copy
import re
from typing import Any

import pytest

from bookstore_operator.crd.schema import crds
from bookstore_operator.crd.skew import declared, outdated_message

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
