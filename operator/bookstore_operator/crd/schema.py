"""Generate the CRDs from the models: `python -m bookstore_operator.crd.schema --output crds`."""

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from bookstore_operator.crd import backup, bookstore, release, restore
from bookstore_operator.crd.base import GROUP, VERSION, rules
from bookstore_operator.crd.spec.storage import volume_rules
from bookstore_operator.crd.structural import Schema, structural

HEADER = "# Generated from operator/bookstore_operator/crd by `make generate`: do not edit.\n"

ROOT_RULES = rules(
    (
        f"self.metadata.name.size() <= {bookstore.MAX_NAME_LENGTH}",
        f"the name of a BookStore may have {bookstore.MAX_NAME_LENGTH} characters at most: "
        "the names of the objects that it owns begin with it",
    ),
    (
        "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        "the name of a BookStore must begin with a letter and contain only lowercase letters, "
        "digits and hyphens: a Service has the same name",
    ),
    (
        "!['-db', '-cache', '-preview', '-db-restored']"
        ".exists(end, self.metadata.name.endsWith(end))",
        "the name of a BookStore must not end in -db, -cache, -preview or -db-restored: it would "
        "collide with the name of another BookStore's database, cache or preview Service, or with "
        "that of a restored database",
    ),
    *volume_rules("database.embedded.storage", "database"),
    *volume_rules("backup.storage", "backup", unless="backup.target"),
    *volume_rules("backup.target.volume", "backup"),
)


def _condition(kind: str, field: str = "status") -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


def _column(
    name: str, path: str, kind: str = "string", description: str = "", **more: Any
) -> Schema:
    return {"name": name, "type": kind, "jsonPath": path, "description": description, **more}


STORE_COLUMNS = [
    _column("Ready", _condition("Ready"), description="Whether the spec is fully rolled out"),
    _column("Reason", _condition("Ready", "reason"), description="Reason of the Ready condition"),
    _column("Active", ".status.active.color", description="Color that serves users"),
    _column("Image", ".status.active.image", description="Image that serves users"),
    _column("Replicas", ".status.readyReplicas", "integer", "Number of ready Pods"),
    _column("Schema", ".status.schema", description="Newest schema revision applied"),
    _column("Backup", ".status.lastBackupAt", "date", "Age of the last successful backup"),
    _column("Age", ".metadata.creationTimestamp", "date", "Age of the BookStore"),
]

RELEASE_COLUMNS = [
    _column("Store", ".spec.storeName", description="BookStore that it belongs to"),
    _column("Revision", ".spec.revision", "integer", "Sequence number of the intent"),
    _column("Color", ".spec.color", description="Color whose Deployment runs it"),
    _column("Image", ".spec.intent.image", description="Image that it deploys"),
    _column("Stage", ".status.stage", description="Current or last stage"),
    _column("Result", ".status.result", description="Result, or Promoted while it drains"),
    _column("Age", ".metadata.creationTimestamp", "date", "Age of the release"),
    _column("Message", ".status.message", description="Details of the state", priority=1),
]


BACKUP_COLUMNS = [
    _column("Store", ".spec.storeName", description="BookStore whose database it is of"),
    _column("Reason", ".spec.reason", description="Why it was taken"),
    _column("Phase", ".status.phase", description="How far it is"),
    _column("Size", ".status.sizeBytes", "integer", "Size as stored, in bytes"),
    _column("Verified", ".status.verifiedAt", "date", "Age of its last verification"),
    _column("Age", ".metadata.creationTimestamp", "date", "Age of the record"),
    _column("Message", ".status.message", description="Details of the state", priority=1),
]

RESTORE_COLUMNS = [
    _column("Store", ".spec.storeName", description="BookStore whose backup it restores"),
    _column("Backup", ".status.backup", description="Backup that is restored"),
    _column("Phase", ".status.phase", description="How far it is"),
    _column("Secret", ".status.secretName", description="Secret with the database's URI"),
    _column("Age", ".metadata.creationTimestamp", "date", "Age of the restore"),
    _column("Message", ".status.message", description="Details of the state", priority=1),
]

RESTORE_RULES = rules(
    (
        f"self.metadata.name.size() <= {restore.MAX_NAME_LENGTH} && "
        "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        f"the name of a BookStoreRestore must be of at most {restore.MAX_NAME_LENGTH} lowercase "
        "letters, digits and hyphens and begin with a letter: the names of the objects that it "
        "owns begin with it",
    )
)


def crds() -> list[dict[str, Any]]:
    """Return the CRDs of all kinds."""
    return [
        _crd(
            bookstore.BookStore,
            bookstore.PLURAL,
            "bs",
            columns=STORE_COLUMNS,
            root_rules=ROOT_RULES,
            scale={
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        ),
        _crd(
            release.BookStoreRelease, release.PLURAL, "bsr", columns=RELEASE_COLUMNS, root_rules={}
        ),
        _crd(backup.BookStoreBackup, backup.PLURAL, "bsb", columns=BACKUP_COLUMNS, root_rules={}),
        _crd(
            restore.BookStoreRestore,
            restore.PLURAL,
            "bsrestore",
            columns=RESTORE_COLUMNS,
            root_rules=RESTORE_RULES,
        ),
    ]


def _crd(  # noqa: PLR0913 - one argument per line of a CRD
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
    """Writes YAML without anchors, which are hard to read in a CRD."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the interface of PyYAML
        return True


def main(arguments: list[str] | None = None) -> int:
    """Write each CRD to its own file and return the exit code."""
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
