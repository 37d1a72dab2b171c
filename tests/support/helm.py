"""Helm, and what a chart renders to.

`make test` runs this as a program, so that no test waits while Helm is built.
"""

import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from devcluster import binaries
from devcluster.errors import DevclusterError
from devcluster.progress import say

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "bookstore-operator"
NAMESPACE = "bookstore-system"

Leaves = dict[str, Any]


class HelmError(Exception):
    """Helm failed; the message is what it printed."""


def helm(*arguments: str | Path, folder: Path, kubeconfig: Path | None = None) -> str:
    """Run Helm with its files in a folder; return its output. Raises HelmError."""
    program = binaries.ensure(["helm"])["helm"]
    own = {f"HELM_{name}_HOME": str(folder / name) for name in ("CACHE", "CONFIG", "DATA")}
    run = subprocess.run(
        [program, *arguments],
        env={**os.environ, **own, "KUBECONFIG": str(kubeconfig or folder / "none")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if run.returncode != 0:
        raise HelmError(f"helm {' '.join(map(str, arguments))}: {run.stdout}{run.stderr}")
    return run.stdout


def render(
    folder: Path, values: Mapping[str, Any] | None = None, chart: Path = CHART
) -> list[dict[str, Any]]:
    """Return the objects that a chart renders to with these values."""
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(dict(values or {})))
    text = helm(
        *("template", "bookstore", chart, "--namespace", NAMESPACE, "--values", file), folder=folder
    )
    return objects(text)


def objects(text: str) -> list[dict[str, Any]]:
    """Return the objects of a YAML stream."""
    return [item for item in yaml.load_all(text, yaml.CSafeLoader) if item]


def leaves(manifests: Iterable[Mapping[str, Any]]) -> Leaves:
    """Return each value by its path, which begins with kind, namespace and name of the object."""
    found: Leaves = {}
    for manifest in manifests:
        metadata = manifest["metadata"]
        named = f"{manifest['kind']} {metadata.get('namespace', '')}/{metadata['name']}"
        found |= dict(_leaves(manifest, named))
    return found


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path} {key}")
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            # The order of containers and variables means nothing.
            key = inner.get("name", index) if isinstance(inner, dict) else index
            yield from _leaves(inner, f"{path} {key}")
    else:
        yield path, value


def changes(before: Leaves, after: Leaves) -> Leaves:
    """Return what is other in `after`; None for what is no longer there."""
    return {
        path: after.get(path)
        for path in sorted(before.keys() | after.keys())
        if before.get(path, ...) != after.get(path, ...)
    }


if __name__ == "__main__":
    try:
        binaries.ensure(["helm"])
    except DevclusterError as error:
        say(f"No tests with Helm: {error}")
