"""What the pages show can be run: their BookStores are valid, and their commands exist."""

import json
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.core
import typer.main
import yaml

from bookstore_operator.crd.backup import BookStoreBackup
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.restore import BookStoreRestore
from kubectl_bookstore.app import app

pytestmark = pytest.mark.golden

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
MODELS = {kind.__name__: kind for kind in (BookStore, BookStoreBackup, BookStoreRestore)}
FENCE = re.compile(r"^ *```ya?ml\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:^ *\$? *|`)kubectl bookstore ([a-z-]+(?: [^`|#\n]*)?)", re.MULTILINE)
PATCH = re.compile(r"kubectl patch bookstore \S+ --type=merge\s+-p\s+'(\{.*?\})'", re.DOTALL)
MAKE = re.compile(r"(?:^ {4}|`)make ([a-z][a-z0-9-]*)", re.MULTILINE)
TARGET = re.compile(r"^([a-z][a-z0-9-]*):", re.MULTILINE)


def documents(page: Path) -> Iterator[dict[str, Any]]:
    """Return the objects in YAML that a page shows; not parts of objects."""
    for block in FENCE.findall(page.read_text()):
        for document in yaml.safe_load_all(block):
            if isinstance(document, dict) and "apiVersion" in document:
                yield document


def examples() -> list[Any]:
    """Return all objects of ours that pages show, as parameters of a test."""
    return [
        pytest.param(document, id=f"{page.relative_to(ROOT)}-{document['kind']}")
        for page in PAGES
        for document in documents(page)
        if document["apiVersion"].startswith("bookstore.dev/")
    ]


@cache
def commands() -> dict[str, set[str]]:
    """Return the options of each of the plugin's commands."""
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    return {
        name: {
            option
            for parameter in command.params
            for option in [*parameter.opts, *parameter.secondary_opts]
        }
        for name, command in group.commands.items()
    }


@pytest.mark.parametrize("document", examples())
def test_every_object_is_valid(document: dict[str, Any]) -> None:
    MODELS[document["kind"]].model_validate(document)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_the_plugin_exists(page: Path) -> None:
    for text in COMMAND.findall(page.read_text()):
        name, *arguments = shlex.split(text.replace("'", " ").replace('"', " "))
        if name not in commands():
            assert name == "--version", f"kubectl bookstore {name}"
            continue
        for argument in arguments:
            if argument.startswith("--"):
                assert argument.partition("=")[0] in commands()[name], f"{text}: {argument}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_target_exists(page: Path) -> None:
    targets = set(TARGET.findall((ROOT / "Makefile").read_text()))
    for name in MAKE.findall(page.read_text()):
        assert name in targets or name == "nightly-", f"make {name}"


def patches() -> list[Any]:
    """Return the patches of BookStores that pages show, as parameters of a test."""
    return [
        pytest.param(json.loads(text), id=f"{page.relative_to(ROOT)}-{number}")
        for page in PAGES
        for number, text in enumerate(PATCH.findall(page.read_text()))
    ]


def leaves(data: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in data.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, name))
        elif value is not None:
            yield (*path, name)


@pytest.mark.parametrize("patch", patches())
def test_every_patch_sets_fields_that_exist(patch: dict[str, Any]) -> None:
    if "spec" not in patch:
        assert list(leaves(patch)) == []  # of metadata, whose finalizers it removes
        return
    given = {"image": "api:1", **patch["spec"]}
    if "backup" in given:
        given["backup"] = {"schedule": "@daily", **given["backup"]}
    store = BookStore.model_validate({"metadata": {"name": "demo"}, "spec": given})
    kept = set(leaves(store.spec.model_dump(by_alias=True, exclude_unset=True)))
    assert set(leaves(patch["spec"])) <= kept


def test_there_are_examples() -> None:
    assert len(patches()) >= 3
    assert len(examples()) >= 5
