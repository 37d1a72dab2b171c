"""What a process has used: CPU time, memory, requests; and the CPU time of the control plane."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from devcluster import audit
from devcluster.processes import Process
from tests.support.operators import Operator

SETTLE_SECONDS = 3.0
READS = frozenset({"get", "list", "watch"})
REVIEWS = "selfsubject"
"""Questions about the own rights, which are posted and store nothing."""
USER = "system:serviceaccount:bookstore-system:bookstore-operator"


@dataclass(frozen=True)
class Cost:
    """What a step has cost."""

    step: str
    seconds: float
    cpu_ms_each: float
    """CPU time of the process for each object."""
    peak_mib: int
    """The largest resident size of the process in this step."""
    requests_each: float = 0.0
    """Requests of the operator to the API server for each object."""
    requests: dict[str, float] = field(default_factory=dict)
    """Those by verb and resource."""
    plane_cpu_ms_each: dict[str, float] = field(default_factory=dict)
    """CPU time of the control plane's processes for each object, which share the machine."""


@dataclass(frozen=True)
class Rest:
    """What a process does while nothing is asked of it."""

    seconds: float
    writes: int
    core_percent: float
    mib: int


@dataclass
class Meter:
    """Measures the steps of one process."""

    process: Operator
    count: int
    audit_log: TextIO | None = None
    plane: Sequence[Process] = ()
    """The control plane's processes."""

    async def step(self, name: str, work: Awaitable[None]) -> Cost:
        """Measure a step; CPU time until it has settled, wall time until it is done."""
        self._requests()
        self._forget_peak()
        began, used = time.monotonic(), self.process.cpu_seconds()
        plane_used = self._plane_cpu()
        await work
        seconds = time.monotonic() - began
        await asyncio.sleep(SETTLE_SECONDS)
        cpu = self.process.cpu_seconds() - used
        by_kind = {
            f"{verb} {resource}": round(number / self.count, 2)
            for (verb, resource), number in self._requests().most_common()
        }
        return Cost(
            name,
            round(seconds, 1),
            round(cpu * 1000 / self.count, 1),
            self.process.memory_mib(),
            round(sum(by_kind.values()), 1),
            by_kind,
            {
                name: round((seconds - plane_used[name]) * 1000 / self.count, 1)
                for name, seconds in self._plane_cpu().items()
            },
        )

    async def rest(self, seconds: float) -> Rest:
        """Measure it at rest for so many seconds."""
        self._requests()
        self._forget_peak()
        used, began = self.process.cpu_seconds(), time.monotonic()
        await asyncio.sleep(seconds)
        cpu, elapsed = self.process.cpu_seconds() - used, time.monotonic() - began
        writes = [
            number
            for (verb, resource), number in self._requests().items()
            if verb not in READS and not resource.startswith(REVIEWS)
        ]
        percent = round(cpu * 100 / elapsed, 1)
        return Rest(round(elapsed), sum(writes), percent, self.process.memory_mib())

    def _requests(self) -> Counter[tuple[str, str]]:
        """Return the operator's requests since the last call."""
        if self.audit_log is None:
            return Counter()
        return Counter((request.verb, request.resource) for request in audit.parse(self.audit_log))

    def _plane_cpu(self) -> dict[str, float]:
        return {process.name: cpu_seconds(process.pid) for process in self.plane}

    def _forget_peak(self) -> None:
        """Let the kernel count the largest resident size again (proc(5), clear_refs)."""
        Path(f"/proc/{self.process.process.pid}/clear_refs").write_text("5")


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
