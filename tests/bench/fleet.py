"""What releases cost the operator: many BookStores created, then all released at once.

    make bench-operator [ARGS="--stores 100 500 --peer"]

A real control plane, Pods simulated by kwok, the operator as one process with the rights of
install.yaml. Simulated are the Pods: they are ready at once, a migration Job ends after a second
with the termination message of a real one, and nothing answers for the Pods' ports. Wall time is
from the first request to the last BookStore that is as wanted; CPU time and memory are those of the
operator's process (the controller's, for the peer).

With --peer the same is done with Argo Rollouts, in the same control plane: a blue/green Rollout
with an active Service for each BookStore, released by an image change. It does less for a release:
no migration, no database, no record.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from devcluster import controlplane
from devcluster.processes import Process
from devcluster.progress import say, step
from tests.bench import argo
from tests.cluster.conftest import MESSAGES, Cluster, bookstore, image, install
from tests.support import kube, operators
from tests.support.operators import Operator

STORES = (20, 100)
CONCURRENT_REQUESTS = 16
POLL_SECONDS = 0.5
LIMIT_SECONDS = 1800.0
DATABASE = {"external": {"secretName": "database", "key": "uri"}}
REPLICAS = 2


@dataclass(frozen=True)
class Cost:
    """What a step cost: wall time, and CPU time of the process for each object."""

    seconds: float
    cpu_ms_each: float


@dataclass(frozen=True)
class Measured:
    """What creating and releasing so many objects cost."""

    who: str
    objects: int
    create: Cost
    release: Cost
    peak_mib: int

    def line(self) -> str:
        """It as a row of the table."""
        cells = (
            f"{self.who:<14}{self.objects:>6}",
            *(f"{c.seconds:>9.1f} s{c.cpu_ms_each:>8.1f} ms" for c in (self.create, self.release)),
            f"{self.peak_mib:>6} MiB",
        )
        return "".join(cells)


@dataclass(frozen=True)
class Kind:
    """The objects of a run: where they are, how they are made, released, and known to be done."""

    collection: str
    create: Callable[[int], dict[str, Any]]
    release: dict[str, Any]
    """A merge patch."""
    as_wanted: Callable[[dict[str, Any], str], bool]
    """Whether an object runs this image, and nothing is left to do."""


@dataclass(frozen=True)
class Run:
    """One run: whose process is measured, on which objects, how many."""

    who: str
    kind: Kind
    count: int
    namespace: str


def _store_is_ready(store: dict[str, Any], wanted: str) -> bool:
    active = (store.get("status") or {}).get("active") or {}
    return active.get("image") == wanted and kube.holds(store, "Ready")


def stores(namespace: str) -> Kind:
    """Return the BookStores of a run: an external database, as production has."""
    return Kind(
        f"/apis/bookstore.dev/v1alpha1/namespaces/{namespace}/bookstores",
        lambda number: bookstore(f"shop-{number}", replicas=REPLICAS, database=DATABASE),
        {"spec": {"image": image("2")}},
        _store_is_ready,
    )


def rollouts(namespace: str) -> Kind:
    """Return the peer's objects of a run."""
    return Kind(
        f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/rollouts",
        lambda number: argo.rollout(f"shop-{number}", image("1"), REPLICAS),
        argo.release(image("2")),
        argo.is_healthy,
    )


class Api:
    """The API server, with an administrator's rights."""

    def __init__(self, plane: controlplane.ControlPlane) -> None:
        self._client = httpx.AsyncClient(
            base_url=plane.server,
            headers={"Authorization": f"Bearer {plane.token}"},
            verify=str(plane.folder / "pki" / "apiserver.crt"),
            timeout=60,
            trust_env=False,
        )
        self._slots = asyncio.Semaphore(CONCURRENT_REQUESTS)

    async def post(self, path: str, manifest: dict[str, Any]) -> None:
        """Create an object."""
        async with self._slots:
            (await self._client.post(path, json=manifest)).raise_for_status()

    async def patch(self, path: str, patch: dict[str, Any]) -> None:
        """Merge a patch into an object."""
        kind = {"Content-Type": "application/merge-patch+json"}
        async with self._slots:
            answer = await self._client.patch(path, content=json.dumps(patch), headers=kind)
            answer.raise_for_status()

    async def list(self, path: str) -> list[dict[str, Any]]:
        """List a collection from the API server's cache, which is cheap for it."""
        answer = await self._client.get(path, params={"resourceVersion": "0"})
        answer.raise_for_status()
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()


async def measure(api: Api, run: Run, process: Operator, show: Callable[[str], None]) -> Measured:
    """Create all objects, then release them all; return what it cost the process."""
    kind, count = run.kind, run.count

    async def cost(requests: Sequence[Awaitable[None]], wanted: str) -> Cost:
        began, used = time.monotonic(), process.cpu_seconds()
        await asyncio.gather(*requests)
        await _wait(api, run, wanted, process, show)
        seconds, cpu = time.monotonic() - began, process.cpu_seconds() - used
        return Cost(round(seconds, 1), round(cpu * 1000 / count, 1))

    names = [kind.create(number)["metadata"]["name"] for number in range(count)]
    create = await cost(
        [api.post(kind.collection, kind.create(number)) for number in range(count)], image("1")
    )
    release = await cost(
        [api.patch(f"{kind.collection}/{name}", kind.release) for name in names], image("2")
    )
    return Measured(run.who, count, create, release, process.memory_mib())


async def _wait(
    api: Api, run: Run, wanted: str, process: Operator, show: Callable[[str], None]
) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline and process.process.poll() is None:
        items = await api.list(run.kind.collection)
        done = sum(run.kind.as_wanted(item, wanted) for item in items)
        show(f"{done} run version {wanted.rpartition(':')[2]}")
        if done == run.count:
            return
        await asyncio.sleep(POLL_SECONDS)
    msg = f"{run.who} ended, or took longer than {LIMIT_SECONDS:.0f} s; its log is {process.log}"
    raise TimeoutError(msg)


@contextmanager
def control_plane(folder: Path) -> Iterator[Cluster]:
    """Yield a control plane with the operator's CRDs and rights; it is taken down at the end."""
    name = f"bench-{os.getpid()}"
    owner = Process.of("owner", os.getpid())
    plane = controlplane.up(name, messages=MESSAGES, owner=owner)
    try:
        kubeconfig = folder / "operator.kubeconfig"
        install(plane, kubeconfig)
        yield Cluster(plane, kubeconfig)
    finally:
        controlplane.down(name)


def run_operator(cluster: Cluster, count: int, folder: Path) -> Measured:
    """Measure the operator with so many BookStores."""
    namespace = f"stores-{count}"
    kubectl = cluster.kubectl(namespace)
    secret = {"name": "database"}
    kubectl.apply(
        kube.namespace(namespace),
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": secret,
            "stringData": {"uri": "postgresql://user:password@database:5432/books"},
        },
    )
    process = operators.start(
        cluster.operator_kubeconfig,
        folder / f"operator-{count}.log",
        f"--namespace={namespace}",
        *("--no-leader-election", "--log-level=info"),
    )
    return _run(cluster, Run("operator", stores(namespace), count, namespace), process)


def run_peer(cluster: Cluster, count: int, folder: Path) -> Measured:
    """Measure Argo Rollouts with as many Rollouts."""
    namespace = f"rollouts-{count}"
    kubectl = cluster.kubectl(namespace)
    names = [f"shop-{number}" for number in range(count)]
    kubectl.apply(kube.namespace(namespace), *map(argo.service, names))
    process = argo.start(cluster.plane.kubeconfig, folder / f"argo-{count}.log", namespace)
    return _run(cluster, Run("Argo Rollouts", rollouts(namespace), count, namespace), process)


def _run(cluster: Cluster, run: Run, process: Operator) -> Measured:
    async def work(show: Callable[[str], None]) -> Measured:
        api = Api(cluster.plane)
        try:
            return await measure(api, run, process, show)
        finally:
            await api.close()

    try:
        with step(f"{run.who}, {run.count}") as shown:
            return asyncio.run(work(shown.update))
    finally:
        process.kill()
        kubectl = cluster.kubectl(run.namespace)
        kubectl("delete", "namespace", run.namespace, "--timeout=300s")


def main() -> int:
    """Run the benchmark and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="make bench-operator",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument(
        "--stores", type=int, nargs="+", default=STORES, help="how many, a run each"
    )
    parser.add_argument("--peer", action="store_true", help="also measure Argo Rollouts")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    if options.peer:
        argo.build()
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    with control_plane(folder) as cluster:
        if options.peer:
            argo.install(cluster.kubectl("default"))
        results = [
            run(cluster, count, folder)
            for count in options.stores
            for run in ((run_operator, run_peer) if options.peer else (run_operator,))
        ]
    heads = ("number", "created", "CPU each", "released", "CPU each", "peak")
    say(" " * 14 + "{:>6}{:>11}{:>11}{:>11}{:>11}{:>10}".format(*heads))
    for measured in results:
        say(measured.line())
    if options.json:
        options.json.write_text(json.dumps([asdict(result) for result in results], indent=2) + "\n")
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
