"""What is in a support bundle, by file. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from bookstore_operator.core.plan import Manifest
from bookstore_operator.telemetry.catalog import STORE_LABELS
from kubectl_bookstore.views.masking import Masker, described

_README = """\
Report of BookStore {namespace}/{name}, made at {made_at} by kubectl bookstore {version}.

bookstore.yaml   the BookStore
objects/         what belongs to it, by kind; Secrets by name and keys only
events.yaml      the events of its namespace about these objects
why.txt          what kubectl bookstore why says
logs/            the last lines of its containers; "previous": of the run before a restart
metrics/         the metrics of its Pods, and those of the operator that are about it
operator/        the operator's Deployments, and what its log says about this BookStore

Values of Secrets, values of environment variables and what looks like a secret are replaced by
[masked]. Look through the files before you send them: names, addresses and messages stay.
"""


@dataclass
class Bundle:
    """The parts of a report as they were collected, not masked."""

    store: Manifest
    objects: list[Manifest] = field(default_factory=list)
    secrets: list[Manifest] = field(default_factory=list)
    events: list[Manifest] = field(default_factory=list)
    operators: list[Manifest] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    """Other files by path."""
    missing: list[str] = field(default_factory=list)
    """What could not be read, and why."""

    @property
    def key(self) -> tuple[str, str]:
        """The namespace and the name of the BookStore."""
        return self.store["metadata"]["namespace"], self.store["metadata"]["name"]


def files_of(bundle: Bundle, made_at: str, version: str) -> dict[str, str]:
    """Return the files of a report by path, without secrets."""
    masker = Masker(bundle.secrets)
    manifests: dict[str, Any] = {
        "bookstore.yaml": bundle.store,
        "events.yaml": bundle.events,
        "operator/deployments.yaml": bundle.operators,
        **{_path(item): item for item in bundle.objects},
    }
    namespace, name = bundle.key
    readme = _README.format(namespace=namespace, name=name, made_at=made_at, version=version)
    missing = "".join(f"- {masker.text(text)}\n" for text in bundle.missing)
    return {
        "README.txt": readme
        + (f"\nMissing, because it could not be read:\n{missing}" * bool(missing)),
        **{path: _yaml(masker.manifest(item)) for path, item in manifests.items() if item},
        **{_path(secret): _yaml(described(secret)) for secret in bundle.secrets},
        **{path: masker.text(text) for path, text in bundle.texts.items() if text},
    }


def secret_names(manifests: Iterable[Any]) -> set[str]:
    """Return the names of all Secrets that objects refer to."""
    found: set[str] = set()
    for item in manifests:
        if isinstance(item, Mapping):
            found |= {str(item[key]) for key in _NAMING if isinstance(item.get(key), str)}
            for key in _REFERRING:
                part = item.get(key)
                references = part if isinstance(part, list) else [part]
                found |= {
                    str(r["name"]) for r in references if isinstance(r, Mapping) and "name" in r
                }
            found |= secret_names(item.values())
        elif isinstance(item, list):
            found |= secret_names(item)
    return found


_NAMING = ("secretName",)
_REFERRING = ("secretKeyRef", "secretRef", "secret", "imagePullSecrets")


def own_lines(log: str, namespace: str, name: str) -> str:
    """Return the lines of the operator's log that are about a BookStore, or about none."""
    return "".join(
        f"{line}\n" for line in log.splitlines() if _store_in(line) in {"", f"{namespace}/{name}"}
    )


def own_metrics(page: str, namespace: str, name: str) -> str:
    """Return the metrics of the operator that are about a BookStore, or about none."""
    labels = dict(zip(STORE_LABELS, (namespace, name), strict=True))
    mine = [f'{label}="{value}"' for label, value in labels.items()]
    lines = page.splitlines()
    return "".join(
        f"{line}\n"
        for line in lines
        if 'bookstore="' not in line or all(label in line for label in mine)
    )


def _store_in(line: str) -> str:
    try:
        return str(json.loads(line).get("store") or "")
    except (ValueError, AttributeError):
        return ""


def _path(manifest: Manifest) -> str:
    return f"objects/{manifest.get('kind', 'Secret')}/{manifest['metadata']['name']}.yaml"


def _yaml(data: Any) -> str:
    copy = json.loads(json.dumps(data))  # shared parts would become YAML anchors
    return str(yaml.safe_dump(copy, sort_keys=False, allow_unicode=True))
