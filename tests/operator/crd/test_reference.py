"""The reference of all fields, docs/reference/fields.md, which lint compares with the models."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from bookstore_operator.crd import reference
from bookstore_operator.crd.schema import crds

pytestmark = pytest.mark.golden

TEXT = reference.reference()


def _rows(heading: str) -> dict[str, list[str]]:
    """Return the cells of a group's table by field."""
    table = TEXT.split(f"### `{heading}`\n")[1].split("\n### ")[0]
    rows = re.findall(r"^\| \**`(\w+)`\** \| (.*) \|$", table, re.MULTILINE)
    return {field: re.split(r"(?<!\\) ?\| ?", cells) for field, cells in rows}


def _fields(schema: dict[str, Any]) -> Iterator[str]:
    for name, field in schema.get("properties", {}).items():
        yield name
        yield from _fields(field)
        yield from _fields(field.get("items", {}))


def test_every_field_of_the_crds_is_in_the_reference() -> None:
    named = set(re.findall(r"`([\w-]+)`\**", TEXT))
    for crd in crds():
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        for part in ("spec", "status"):
            assert set(_fields(schema["properties"][part])) <= named


def test_the_reference_says_what_a_change_of_a_field_does() -> None:
    assert _rows("BookStore.spec")["image"][2] == "release"
    assert _rows("BookStore.spec")["paused"][2] == "—"
    assert _rows("spec.cache.embedded")["resources"][2] == "in place"
    assert _rows("spec.cache.external")["key"][2] == "release"


def test_a_type_names_its_bounds_and_values() -> None:
    spec = _rows("BookStore.spec")
    assert spec["replicas"][0] == "integer, at most 1000"
    assert spec["deletionPolicy"][:2] == [r"`Retain` \| `Delete` \| `FinalBackup`", "`Retain`"]


def test_rules_are_listed_with_the_group_that_they_belong_to() -> None:
    assert "- Only one of replicas and autoscaling may be set: remove replicas" in TEXT
