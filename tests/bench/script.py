"""A script that only makes what a release of all stages makes: a floor for its wall time.

It makes the same Jobs and Deployments as the operator, waits for each, scales, switches the
Service, waits for the same window, and scales down. It keeps no record, and looks at nothing else.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from bookstore_operator.components.serving.manifests import active_service, deployment
from bookstore_operator.core import contract
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.intent import intent_of
from bookstore_operator.crd.release import BookStoreRelease, Color
from bookstore_operator.releases.manifests import TMP, check_job, migration_job, release
from tests.bench.client import Api, Object, Watched, watched
from tests.bench.steps import ALL_STAGES, DATABASE, REPLICAS, WINDOW_SECONDS
from tests.bench.usage import Cost
from tests.cluster.conftest import bookstore, image

NEEDED = frozenset({TMP, contract.DATABASE_FOLDER})


class Script:
    """Makes the objects of one namespace."""

    def __init__(self, api: Api, namespace: str, jobs: Watched, deployments: Watched) -> None:
        self._api, self._namespace = api, namespace
        self._jobs, self._deployments = jobs, deployments

    async def serve_first(self, name: str) -> None:
        """Make what serves before the release."""
        store, first = revision_of(name, 1)
        await self._create("v1", "services", active_service(store, first))
        await self._start(store, first)

    async def release(self, name: str) -> None:
        """Release another image, as a release with all stages does."""
        _, old = revision_of(name, 1)
        store, new = revision_of(name, 2)
        await self._ask(store, new, "validate", new, contract.CONTRACT)
        await self._run(migration_job(store, new, 1))
        await self._ask(store, new, "compatible", old, contract.CHECK_SCHEMA)
        await self._start(store, new)
        await self._ask(store, new, "smoke", new, contract.SMOKE)
        selector = {"selector": active_service(store, new)["spec"]["selector"]}
        await self._api.patch(self._path("v1", "services", name), {"spec": selector})
        await asyncio.sleep(WINDOW_SECONDS)
        await self._scale(deployment(store, old)["metadata"]["name"], 0)

    async def _ask(
        self,
        store: BookStore,
        new: BookStoreRelease,
        check: str,
        asked: BookStoreRelease,
        command: tuple[str, ...],
    ) -> None:
        await self._run(
            check_job(store, new, check, 1, asked=asked, command=command, volumes=NEEDED)
        )

    async def _run(self, job: Mapping[str, Any]) -> None:
        await self._create("batch/v1", "jobs", job)
        await self._jobs.until(job["metadata"]["name"], is_complete)

    async def _start(self, store: BookStore, new: BookStoreRelease) -> None:
        manifest = deployment(store, new)
        name = manifest["metadata"]["name"]
        await self._create("apps/v1", "deployments", manifest)
        await self._scale(name, REPLICAS)
        await self._deployments.until(name, is_available)

    async def _scale(self, name: str, replicas: int) -> None:
        path = self._path("apps/v1", "deployments", f"{name}/scale")
        await self._api.patch(path, {"spec": {"replicas": replicas}})

    async def _create(self, version: str, plural: str, manifest: Mapping[str, Any]) -> None:
        foreign = {"ownerReferences", "namespace"}
        metadata = {k: v for k, v in manifest["metadata"].items() if k not in foreign}
        path = self._path(version, plural)
        await self._api.post(path, {**manifest, "metadata": metadata})

    def _path(self, version: str, plural: str, name: str = "") -> str:
        return collection(self._namespace, version, plural) + (f"/{name}" if name else "")


def collection(namespace: str, version: str, plural: str) -> str:
    """Return the path of a collection."""
    root = "/api" if version == "v1" else "/apis"
    return f"{root}/{version}/namespaces/{namespace}/{plural}"


def revision_of(name: str, revision: int) -> tuple[BookStore, BookStoreRelease]:
    """Return a BookStore, and the release of a revision of it."""
    spec: dict[str, Any] = {"replicas": REPLICAS, "database": DATABASE}
    store = BookStore.model_validate(bookstore(name, **{**spec, "image": image(str(revision))}))
    color = Color.BLUE if revision % 2 else Color.GREEN
    manifest = release(store, revision, 1, color, intent_of(store.spec))
    return store, BookStoreRelease.model_validate(manifest)


def is_complete(job: Object) -> bool:
    """Whether a Job has ended well."""
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Complete" and c["status"] == "True" for c in conditions)


def is_available(manifest: Object) -> bool:
    """Whether all Pods of a Deployment are available."""
    status = manifest.get("status") or {}
    return bool(
        manifest.get("spec", {}).get("replicas") == REPLICAS
        and status.get("observedGeneration") == manifest["metadata"]["generation"]
        and status.get("availableReplicas") == status.get("updatedReplicas") == REPLICAS
    )


async def measure(api: Api, namespace: str, names: list[str]) -> Cost:
    """Release all of them at once; return what it cost."""
    jobs = collection(namespace, "batch/v1", "jobs")
    deployments = collection(namespace, "apps/v1", "deployments")
    async with watched(api, jobs, deployments) as collections:
        script = Script(api, namespace, *collections)
        await asyncio.gather(*map(script.serve_first, names))
        began, used = time.monotonic(), time.process_time()
        await asyncio.gather(*map(script.release, names))
        seconds, cpu = time.monotonic() - began, time.process_time() - used
    return Cost(ALL_STAGES, round(seconds, 1), round(cpu * 1000 / len(names), 1), 0)
