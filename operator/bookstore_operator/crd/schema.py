"""The CRDs, made from the models. `python -m bookstore_operator.crd.schema --output crds`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from bookstore_operator.crd import bookstore, release
from bookstore_operator.crd.base import GROUP, VERSION, rules
from bookstore_operator.crd.structural import Schema, structural

HEADER = "# Generated from operator/bookstore_operator/crd by `make generate`: do not edit.\n"

NAME_RULES = rules(
    (
        f"self.metadata.name.size() <= {bookstore.MAX_NAME_LENGTH}",
        f"the name of a BookStore may have {bookstore.MAX_NAME_LENGTH} characters at most: "
        "the names of what it owns begin with it",
    ),
    (
        "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        "the name of a BookStore begins with a letter and has only small letters, digits and "
        "hyphens: a Service bears it",
    ),
    (
        "!self.metadata.name.endsWith('-db') && !self.metadata.name.endsWith('-cache')",
        "the name of a BookStore must not end in -db or -cache: "
        "it would be that of another BookStore's database or cache",
    ),
)


def _condition(kind: str, field: str = "status") -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


def _column(
    name: str, path: str, kind: str = "string", description: str = "", **more: Any
) -> Schema:
    return {"name": name, "type": kind, "jsonPath": path, "description": description, **more}


STORE_COLUMNS = [
    _column("Ready", _condition("Ready"), description="Whether all is as asked for"),
    _column("Reason", _condition("Ready", "reason"), description="Why it is ready or not"),
    _column("Active", ".status.active.color", description="The color that serves users"),
    _column("Image", ".status.active.image", description="The image that serves users"),
    _column("Replicas", ".status.readyReplicas", "integer", "Pods that are ready to serve"),
    _column("Schema", ".status.schema", description="The newest schema revision applied"),
    _column("Backup", ".status.lastBackupAt", "date", "Age of the last good backup"),
    _column("Age", ".metadata.creationTimestamp", "date", "Age of the BookStore"),
]

RELEASE_COLUMNS = [
    _column("Store", ".spec.storeName", description="The BookStore"),
    _column("Revision", ".spec.revision", "integer", "Counts what was asked for"),
    _column("Color", ".spec.color", description="Where it runs"),
    _column("Image", ".spec.intent.image", description="Its image"),
    _column("Stage", ".status.stage", description="The stage it is at, or ended at"),
    _column("Result", ".status.result", description="How it ended, or Promoted"),
    _column("Age", ".metadata.creationTimestamp", "date", "Age of the release"),
    _column("Message", ".status.message", description="Why", priority=1),
]


def crds() -> list[dict[str, Any]]:
    """Return the CRDs of all kinds."""
    return [
        _crd(
            bookstore.BookStore,
            bookstore.PLURAL,
            "bs",
            columns=STORE_COLUMNS,
            root_rules=NAME_RULES,
            scale={
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        ),
        _crd(
            release.BookStoreRelease,
            release.PLURAL,
            "bsr",
            columns=RELEASE_COLUMNS,
            root_rules={},
        ),
    ]


def _crd(  # noqa: PLR0913 - each is one line of a CRD
    model: type[BaseModel],
    plural: str,
    short: str,
    *,
    columns: list[Schema],
    root_rules: Schema,
    scale: Schema | None = None,
) -> Schema:
    subresources: Schema = {"status": {}} | ({"scale": scale} if scale else {})
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{GROUP}",
            "labels": {
                "app.kubernetes.io/name": "bookstore-operator",
                "app.kubernetes.io/component": "crd",
            },
        },
        "spec": {
            "group": GROUP,
            "names": {
                "kind": model.__name__,
                "listKind": f"{model.__name__}List",
                "plural": plural,
                "singular": model.__name__.lower(),
                "shortNames": [short],
                "categories": ["all"],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": _root_schema(model, root_rules)},
                    "subresources": subresources,
                    "additionalPrinterColumns": columns,
                }
            ],
        },
    }


def _root_schema(model: type[BaseModel], root_rules: Schema) -> Schema:
    whole = structural(model)
    properties = whole["properties"]
    return {
        "type": "object",
        "description": whole["description"],
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": properties["spec"],
            "status": {k: v for k, v in properties["status"].items() if k != "default"},
        },
        **root_rules,
    }


class _Dumper(yaml.SafeDumper):
    """YAML without anchors: a CRD is read by people."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the interface of PyYAML
        return True


def main(arguments: list[str] | None = None) -> int:
    """Write each CRD to a file of its own."""
    parser = argparse.ArgumentParser(description="Write the CRDs of the operator as YAML.")
    parser.add_argument("--output", type=Path, required=True, help="the folder to write to")
    output: Path = parser.parse_args(arguments).output
    output.mkdir(parents=True, exist_ok=True)
    for crd in crds():
        path = output / f"{crd['metadata']['name']}.yaml"
        text = yaml.dump(crd, Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True)
        path.write_text(HEADER + text, encoding="utf-8")
        sys.stdout.write(f"{path} {len(text)} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
