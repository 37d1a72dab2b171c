"""A kubectl whose reads are requests, not processes: tests that wait read many times a second."""

from __future__ import annotations

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
        """Give one object, or None where there is none of that name."""
        answer = self.proxy.get(f"{self._collection(kind)}/{name}")
        if answer.status_code == 404:
            return None
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def list(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        """Give the objects of a kind, by labels where a selector is given."""
        answer = self.proxy.get(self._collection(kind), params={"labelSelector": selector})
        items: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
        return items

    def _collection(self, kind: str) -> str:
        root, plural = _PLACES[kind]
        return f"/{root}/namespaces/{self.namespace}/{plural}"


@contextmanager
def kube_proxy(environment: Mapping[str, str]) -> Iterator[httpx.Client]:
    """Have a `kubectl proxy` to the API server for the block; a client of it."""
    with subprocess.Popen(
        ["kubectl", "proxy", "--port=0"],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    ) as proxy:
        try:
            assert proxy.stdout is not None
            told = proxy.stdout.readline()  # Starting to serve on 127.0.0.1:41651
            with httpx.Client(
                base_url=f"http://{told.split()[-1]}", timeout=30, trust_env=False
            ) as client:
                yield client
        finally:
            proxy.terminate()
