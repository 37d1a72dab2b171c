"""Run kubectl, for the demo and the end-to-end tests."""

import base64
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class KubectlError(Exception):
    """kubectl failed; the message is its standard error."""


@dataclass(frozen=True)
class Kubectl:
    """Runs kubectl against one cluster, in one namespace."""

    environment: Mapping[str, str]
    """KUBECONFIG, and PATH with a kubectl on it."""
    namespace: str = "default"

    def __call__(self, *arguments: str, stdin: str | None = None, timeout: float = 120) -> str:
        """Run `kubectl arguments` and return its standard output.

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
        """Return an object; None if there is none of that name."""
        output = self("get", kind, name, "--ignore-not-found", "-o", "json")
        return json.loads(output) if output.strip() else None

    def secret(self, name: str) -> dict[str, str]:
        """Return the decoded values of a Secret by key.

        Raises KubectlError when there is none of that name.
        """
        data = json.loads(self("get", "secret", name, "-o", "json")).get("data") or {}
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def list(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        """Return the objects of a kind that match a label selector; all without one."""
        items: list[dict[str, Any]] = json.loads(self("get", kind, "-l", selector, "-o", "json"))[
            "items"
        ]
        return items

    def apply(self, *manifests: Mapping[str, Any]) -> None:
        """Apply manifests server-side, as a GitOps tool does."""
        body = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
        self("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=body)
