"""A kubectl that reads by HTTP, without a process: tests that wait read many times a second."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from demo.kubectl import Kubectl

_OURS = "apis/bookstore.dev/v1alpha1"
_PLACES = {
    "bookstore": (_OURS, "bookstores"),
    "bookstorerelease": (_OURS, "bookstorereleases"),
    "deployment": ("apis/apps/v1", "deployments"),
    "hpa": ("apis/autoscaling/v2", "horizontalpodautoscalers"),
    "pod": ("api/v1", "pods"),
    "pvc": ("api/v1", "persistentvolumeclaims"),
    "secret": ("api/v1", "secrets"),
    "service": ("api/v1", "services"),
}


@dataclass(frozen=True)
class ProxiedKubectl(Kubectl):
    """Runs kubectl, but reads objects through a proxy."""

    proxy: httpx.Client = field(kw_only=True)

    def find(self, kind: str, name: str) -> dict[str, Any] | None:
        """Return an object, or None if there is none of that name."""
        answer = self.proxy.get(f"{self._collection(kind)}/{name}")
        if answer.status_code == 404:
            return None
        manifest: dict[str, Any] = answer.raise_for_status().json()
        return manifest

    def list(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        """Return the objects of a kind, selected by labels if a selector is given."""
        answer = self.proxy.get(self._collection(kind), params={"labelSelector": selector})
        items: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
        return items

    def _collection(self, kind: str) -> str:
        root, plural = _PLACES[kind]
        return f"/{root}/namespaces/{self.namespace}/{plural}"


@contextmanager
def kube_proxy(environment: Mapping[str, str]) -> Iterator[httpx.Client]:
    """Run `kubectl proxy` for the block; yields a client of it."""
    with subprocess.Popen(
        ["kubectl", "proxy", "--port=0"],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    ) as proxy:
        try:
            assert proxy.stdout is not None
            line = proxy.stdout.readline()  # Starting to serve on 127.0.0.1:41651
            with httpx.Client(
                base_url=f"http://{line.split()[-1]}", timeout=30, trust_env=False
            ) as client:
                yield client
        finally:
            proxy.terminate()
