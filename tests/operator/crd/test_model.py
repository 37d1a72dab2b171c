"""The model: CRDs, samples, and what a change of each field does."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import Field

from bookstore_operator.crd.base import Part
from bookstore_operator.crd.bookstore import BookStore, BookStoreSpec
from bookstore_operator.crd.intent import EFFECTS, Effect, compared, intent_of, normalized
from bookstore_operator.crd.schema import crds
from bookstore_operator.crd.schema import main as write_crds

pytestmark = pytest.mark.golden

ROOT = Path(__file__).parents[3]
SAMPLES = sorted((ROOT / "manifests" / "samples").glob("*.yaml"))
LARGEST_CRD = 200_000
PURE = ("crd", "core", "workloads", "components", "releases", "status", "decide")
"""The rooms that `kubectl bookstore` can have without a client."""


def schema_of(kind: str) -> dict[str, Any]:
    crd = next(crd for crd in crds() if crd["spec"]["names"]["kind"] == kind)
    schema: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from nodes(field, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from nodes(schema[key], f"{path}[]")


# CRDs ------------------------------------------------------------------------------------------


def test_the_crd_files_are_up_to_date(tmp_path: Path) -> None:
    assert write_crds(["--output", str(tmp_path)]) == 0
    written = {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()}
    kept = {path.name: path.read_text("utf-8") for path in (ROOT / "crds").glob("*.yaml")}
    assert written == kept, "wanted? then: make generate"
    assert all(len(text.encode()) < LARGEST_CRD for text in written.values())


@pytest.mark.parametrize("kind", ["BookStore", "BookStoreRelease"])
def test_schemas_are_structural(kind: str) -> None:
    for path, node in nodes(schema_of(kind)):
        assert not {"$ref", "title", "$defs", "allOf", "oneOf"} & node.keys(), path
        assert "type" in node or node.get("x-kubernetes-int-or-string"), path
        choices = node.get("anyOf", [])
        assert not choices or choices == [{"type": "integer"}, {"type": "string"}], path
        assert node.get("default", "") is not None, path


@pytest.mark.parametrize("kind", ["BookStore", "BookStoreRelease"])
def test_every_field_is_described(kind: str) -> None:
    for path, node in nodes(schema_of(kind)):
        own = path.startswith((".spec", ".status")) and not path.endswith("[]")
        if own and not path.startswith(".spec.intent."):
            assert node.get("description"), path


def test_every_rule_has_a_message_and_bounded_fields() -> None:
    for kind in ("BookStore", "BookStoreRelease"):
        for path, node in nodes(schema_of(kind)):
            for rule in node.get("x-kubernetes-validations", ()):
                assert len(rule["message"]) > 20, path


def test_api_server_and_model_have_the_same_defaults() -> None:
    def defaulted(schema: dict[str, Any], value: Any) -> Any:
        """Fill defaults in as the API server does."""
        if not isinstance(value, dict):
            return value
        filled = dict(value)
        for name, field in schema.get("properties", {}).items():
            if name not in filled and "default" in field:
                filled[name] = field["default"]
            if name in filled:
                filled[name] = defaulted(field, filled[name])
        return filled

    schema = schema_of("BookStore")["properties"]["spec"]
    for spec in (
        {"image": "api:1"},
        {"image": "api:1", "backup": {"schedule": "@daily"}, "resources": {"limits": {"cpu": 1}}},
        {"image": "api:1", "database": {"embedded": {"resources": {}}}},
    ):
        filled = defaulted(schema, spec)
        assert BookStoreSpec.model_validate(filled) == BookStoreSpec.model_validate(spec)
        assert filled["database"]["embedded"]["storage"]["size"] == "1Gi"
        assert filled["rollout"]["scaleDownDelaySeconds"] == 30


# Samples ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_samples_are_valid_without_unknown_fields(path: Path) -> None:
    sample = yaml.safe_load(path.read_text("utf-8"))
    spec = BookStore.model_validate(sample).spec.manifest()
    assert contained(sample["spec"], spec), "a field of the sample is not in the model"


def contained(part: Any, whole: Any) -> bool:
    if isinstance(part, dict):
        return all(key in whole and contained(value, whole[key]) for key, value in part.items())
    return bool(part == whole)


def test_the_documented_samples_exist() -> None:
    assert {"minimal", "demo", "external-database", "autoscaling-and-backup"} <= {
        path.stem for path in SAMPLES
    }


# Intents ---------------------------------------------------------------------------------------


def test_each_field_has_an_effect() -> None:
    spec = schema_of("BookStore")["properties"]["spec"]["properties"]
    assert {path.split(".")[0] for path in EFFECTS} == set(spec)
    for path in EFFECTS:
        *groups, name = path.split(".")
        inner = spec
        for group in groups:
            inner = inner[group]["properties"]
        assert name in inner, path


def test_an_intent_has_exactly_the_fields_that_start_a_release() -> None:
    intent = intent_of(BookStoreSpec(image="api:1", replicas=3))
    assert intent["image"] == "api:1"
    assert intent["config"]["logLevel"] == "info"
    allowed = {path.split(".")[0] for path, effect in EFFECTS.items() if effect is Effect.RELEASE}
    assert set(intent) <= allowed
    assert "embedded" not in intent.get("database", {})


def test_an_intent_survives_being_stored_and_read() -> None:
    external = {"external": {"secretName": "pg"}}
    spec = BookStoreSpec.model_validate({"image": "api:1", "database": external})
    intent = intent_of(spec)
    assert intent["database"] == {"external": {"secretName": "pg", "key": "uri"}}
    assert normalized(intent) == compared(spec)


def test_a_default_added_later_starts_no_release() -> None:
    class Newer(BookStoreSpec):
        """The spec of a newer operator."""

        mood: str = Field("calm", description="A field that nobody had thought of.")

    class NewerGroup(Part):
        """A group of fields of a newer operator."""

        size: int = 3

    class Newest(Newer):
        """One more."""

        group: NewerGroup = Field(default_factory=NewerGroup)

    effects = {**EFFECTS, "mood": Effect.RELEASE, "group": Effect.RELEASE}
    stored = intent_of(BookStoreSpec(image="api:1"))
    for model in (Newer, Newest):
        live = compared(model(image="api:1"), effects)
        assert live["mood"] == "calm"
        assert live != stored, "a naive comparison would release the whole fleet"
        assert normalized(stored, model, effects) == live
        other = compared(model(image="api:1", mood="gay"), effects)
        assert normalized(stored, model, effects) != other


# Purity ----------------------------------------------------------------------------------------


def test_pure_modules_import_no_client_and_no_framework() -> None:
    program = f"""
import importlib, pkgutil, sys
for name in {PURE!r}:
    room = importlib.import_module(f"bookstore_operator.{{name}}")
    for module in pkgutil.walk_packages(getattr(room, "__path__", ()), f"{{room.__name__}}."):
        importlib.import_module(module.name)
assert "bookstore_operator.components.serving.ensure" in sys.modules
print(sorted({{"kopf", "kubernetes", "aiohttp"}} & sys.modules.keys()))
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout.strip() == "[]"
