"""kubectl as a function: what the demo and the end-to-end tests talk to a cluster with."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class KubectlError(Exception):
    """kubectl ended with an error; the message is what it printed."""


@dataclass(frozen=True)
class Kubectl:
    """Runs kubectl against one cluster, in one namespace."""

    environment: Mapping[str, str]
    """KUBECONFIG, and PATH with a kubectl on it."""
    namespace: str = "default"

    def __call__(self, *arguments: str, stdin: str | None = None, timeout: float = 120) -> str:
        """Run `kubectl arguments`, give what it printed.

        Raises KubectlError when it fails or takes longer than `timeout` seconds.
        """
        try:
            run = subprocess.run(
                ["kubectl", "--namespace", self.namespace, *arguments],
                input=stdin,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
                env={**os.environ, **self.environment},
            )
        except subprocess.TimeoutExpired as error:
            raise KubectlError(
                f"kubectl {' '.join(arguments)}: no answer in {timeout} s"
            ) from error
        if run.returncode != 0:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {run.stderr.strip()}")
        return run.stdout

    def find(self, kind: str, name: str) -> dict[str, Any] | None:
        """Give one object, or None where there is none of that name."""
        found = self("get", kind, name, "--ignore-not-found", "-o", "json")
        return json.loads(found) if found.strip() else None

    def secret(self, name: str) -> dict[str, str]:
        """Give what is in a Secret.

        Raises KubectlError when there is none of that name.
        """
        data = json.loads(self("get", "secret", name, "-o", "json")).get("data") or {}
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def list(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        """Give the objects of a kind, by labels where a selector is given."""
        items: list[dict[str, Any]] = json.loads(self("get", kind, "-l", selector, "-o", "json"))[
            "items"
        ]
        return items

    def apply(self, *manifests: Mapping[str, Any]) -> None:
        """Server-side apply, as a user of GitOps does."""
        body = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
        self("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=body)
