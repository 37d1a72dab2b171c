"""What releases cost the operator: many BookStores created, released at once, and left alone.

    make bench-operator [ARGS="--stores 100 500 --peer --script"]

Each run has a fresh control plane (etcd, API server, controller manager, scheduler, all real), in
which the operator is one process with the rights of install.yaml. The steps, each of all BookStores
at once (2 Pods, an external database):

    created               the first release: Jobs validate, expand, budget
    released, no Job      resources are changed: no Job has anything to find out; watch, drain and
                          warm windows are 0
    released, all stages  the image is changed: Jobs validate, expand, compatible, smoke; metrics
                          are read; watch, drain and warm windows end 10 s after the switch
    settled               for --settled seconds nothing is asked

Simulated is what a kubelet does, by kwok: Pods are Ready at once, and a Job's Pod ends at once with
the termination message of a real one. A process of the benchmark answers for the Pods' /metrics
(--pod-proxy), with 20 requests a second and no errors. No backup and no contract is configured.

Wall time is from the first request to the last release that has succeeded. CPU time is that of the
operator's process, for each BookStore, until 3 s later. Memory is the largest resident size in the
step. Requests and writes are counted by the API server's audit log. "plane" is the CPU time of
etcd, API server, controller manager, scheduler and kwok for each BookStore: they share the machine.

--peer does the same with Argo Rollouts' controller: a blue/green Rollout with an active Service for
each BookStore, released by an image change, which needs no Job either. It does less for a release:
no migration, no database, no record. --script makes a release of all stages with nothing but its
Jobs, Deployments, scales and the same window: a floor for the wall time.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from devcluster import controlplane
from devcluster.processes import Process
from devcluster.progress import say, step
from tests.bench import argo, pods, script
from tests.bench.client import Api, watched
from tests.bench.steps import Fleet, Step, rollouts, stores
from tests.bench.usage import USER, Cost, Meter, Rest
from tests.cluster.conftest import MESSAGES, Cluster, install
from tests.support import kube, operators
from tests.support.operators import Operator

STORES = (20, 100)
LIMIT_SECONDS = 1800.0


@dataclass(frozen=True)
class Measured:
    """What a run has measured."""

    who: str
    objects: int
    steps: list[Cost]
    rest: Rest | None = None

    def lines(self) -> Iterator[str]:
        """Yield it as rows of the table."""
        for cost in self.steps:
            yield (
                f"{self.who:<14}{self.objects:>6}  {cost.step:<22}{cost.seconds:>8.1f} s"
                f"{cost.cpu_ms_each:>9.1f} ms{cost.peak_mib:>7} MiB{cost.requests_each:>8.1f}"
                f"{sum(cost.plane_cpu_ms_each.values()):>11.1f} ms"
            )
        if rest := self.rest:
            yield (
                f"{self.who:<14}{self.objects:>6}  {'settled':<22}{rest.seconds:>8.1f} s"
                f"{rest.core_percent:>9.1f} % {rest.mib:>7} MiB{rest.writes:>8} writes"
            )


@dataclass(frozen=True)
class Run:
    """One run: of whom, with how many objects."""

    cluster: Cluster
    count: int
    folder: Path
    settled: float
    code: Path | None = None
    """The folder with the operator's package of another version."""

    @property
    def names(self) -> list[str]:
        """The names of the objects."""
        return [f"shop-{number}" for number in range(self.count)]

    def log(self, who: str) -> Path:
        """Return the file of a process's log."""
        return self.folder / f"{who}-{self.count}.log"


async def go_through(run: Run, fleet: Fleet, who: str, process: Operator) -> Measured:
    """Take a fleet through its steps; return what they cost the process."""
    costs = []
    log = run.cluster.plane.audit_log
    with log.open(encoding="utf-8") as requests:
        audited = requests if who == "operator" else None
        meter = Meter(process, run.count, audited, run.cluster.plane.processes)
        async with Api.of(run.cluster.plane) as api:
            for asked in fleet.steps:
                with step(f"{who}, {run.count}: {asked.name}"):
                    costs.append(await meter.step(asked.name, _do(api, run, fleet, asked)))
        if not run.settled:
            return Measured(who, run.count, costs)
        with step(f"{who}, {run.count}: settled"):
            return Measured(who, run.count, costs, await meter.rest(run.settled))


async def _do(api: Api, run: Run, fleet: Fleet, asked: Step) -> None:
    """Ask a step of all objects, and wait until it is done for all."""
    async with asyncio.timeout(LIMIT_SECONDS), watched(api, fleet.watched) as (collection,):
        requests = (
            api.patch(f"{fleet.collection}/{name}", asked.patch)
            if asked.patch
            else api.post(fleet.collection, fleet.create(name))
            for name in run.names
        )
        await asyncio.gather(*requests)
        while sum(map(asked.done, collection.objects.values())) < run.count:
            collection.changed.clear()
            await collection.changed.wait()
            await asyncio.sleep(0.1)


def run_operator(run: Run) -> Measured:
    """Measure the operator."""
    namespace = "stores"
    secret = {"uri": "postgresql://user:password@database:5432/books"}
    kubectl = run.cluster.kubectl(namespace)
    kubectl.apply(
        kube.namespace(namespace),
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "database"}}
        | {"stringData": secret},
    )
    with pods.answering(run.cluster.plane) as proxy:
        process = operators.start(
            run.cluster.operator_kubeconfig,
            run.log("operator"),
            *(f"--namespace={namespace}", f"--pod-proxy={proxy}"),
            *("--no-leader-election", "--log-level=info"),
            code=run.code,
        )
        kube.wait_for(lambda: process.logged("started"), 60, "the operator to start")
        return _measured(run, stores(namespace), "operator", process)


def run_peer(run: Run) -> Measured:
    """Measure Argo Rollouts."""
    namespace = "rollouts"
    argo.install(run.cluster.kubectl("default"))
    kubectl = run.cluster.kubectl(namespace)
    kubectl.apply(kube.namespace(namespace), *map(argo.service, run.names))
    process = argo.start(run.cluster.plane.kubeconfig, run.log("argo"), namespace)
    return _measured(run, rollouts(namespace), "Argo Rollouts", process)


def run_script(run: Run) -> Measured:
    """Measure the script."""
    namespace = "script"
    run.cluster.kubectl(namespace).apply(kube.namespace(namespace))

    async def work() -> Cost:
        async with Api.of(run.cluster.plane) as api:
            return await script.measure(api, namespace, run.names)

    with step(f"script, {run.count}"):
        return Measured("script", run.count, [asyncio.run(work())])


def _measured(run: Run, fleet: Fleet, who: str, process: Operator) -> Measured:
    try:
        return asyncio.run(go_through(run, fleet, who, process))
    except BaseException:
        say(f"The log of {who} ends:")
        say("\n".join(process.log.read_text().splitlines()[-5:]))
        raise
    finally:
        process.kill()


@contextmanager
def control_plane(folder: Path) -> Iterator[Cluster]:
    """Yield a control plane with the operator's CRDs and rights; it is taken down at the end."""
    name = f"bench-{os.getpid()}"
    owner = Process.of("owner", os.getpid())
    plane = controlplane.up(name, messages=MESSAGES, owner=owner, audited=(USER,))
    try:
        kubeconfig = folder / "operator.kubeconfig"
        install(plane, kubeconfig)
        yield Cluster(plane, kubeconfig)
    finally:
        controlplane.down(name)


def main() -> int:
    """Run the benchmark and return the exit code."""
    options = _options()
    runs = [run_operator]
    if options.peer:
        argo.build()
        runs.append(run_peer)
    if options.script:
        runs.append(run_script)
    folder = options.logs or Path(tempfile.mkdtemp(prefix="bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    results = []
    heads = ("step", "wall", "CPU each", "peak", "requests each", "plane")
    say("{:<22}{:<22}{:>10}{:>12}{:>11}{:>15}{:>8}".format("", *heads))
    for count in options.stores:
        for run in runs:
            with control_plane(folder) as cluster:
                measured = run(Run(cluster, count, folder, options.settled, options.code))
            for line in measured.lines():
                say(line)
            results.append(asdict(measured))
            if options.json:  # after each run: a later one may fail
                options.json.write_text(json.dumps(results, indent=2) + "\n")
    if not options.logs:
        shutil.rmtree(folder)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench-operator",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument(
        "--stores", type=int, nargs="+", default=STORES, help="how many, a run each"
    )
    parser.add_argument("--peer", action="store_true", help="also measure Argo Rollouts")
    parser.add_argument("--script", action="store_true", help="also measure a plain script")
    parser.add_argument("--settled", type=float, default=30.0, help="seconds at rest; 0: none")
    parser.add_argument("--code", type=Path, help="the folder with another version's package")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--logs", type=Path, help="keep the processes' logs in this folder")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
