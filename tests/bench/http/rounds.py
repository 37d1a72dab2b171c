"""Paired rounds: both sides in turn, so that what disturbs the machine disturbs both alike."""

import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.bench.http.load import Job, Result
from tests.bench.http.servers import Clients, Server, cpu_seconds

CONNECTIONS = 16
RESAMPLES = 2000


@dataclass(frozen=True)
class Side:
    """What is asked of one server; `pids` are the processes whose CPU time counts."""

    server: Server
    requests: Sequence[str]
    status: int = 200
    pids: Callable[[], Sequence[int]] | None = None

    def cpu(self) -> float:
        """Return the CPU time so far."""
        return cpu_seconds(*(self.pids() if self.pids else [self.server.pid]))


@dataclass(frozen=True)
class Figure:
    """One side in one round."""

    cpu_microseconds: float
    per_second: float
    result: Result


@dataclass(frozen=True)
class Paired:
    """Both sides: medians, and the ratio ours / theirs of CPU time with its interval."""

    ours: float
    theirs: float
    ours_per_second: float
    theirs_per_second: float
    cpu_ratio: float
    interval: tuple[float, float]
    figures: Sequence[tuple[Figure, Figure]]


def measure(clients: Clients, side: Side, count: int) -> Figure:
    """Send requests to one side."""
    before = side.cpu()
    job = Job(side.server.port, side.requests, count, CONNECTIONS, side.status)
    result = clients.run(job)
    used = side.cpu() - before
    return Figure(used / count * 1e6, count / result.seconds, result)


def paired(clients: Clients, ours: Side, theirs: Side, *, rounds: int, count: int) -> Paired:
    """Measure both in turn, each first in every second round."""
    for side in (ours, theirs):
        measure(clients, side, max(count // 4, 2 * len(side.requests), 1))
    figures = []
    for number in range(rounds):
        if number % 2:
            other, own = measure(clients, theirs, count), measure(clients, ours, count)
        else:
            own, other = measure(clients, ours, count), measure(clients, theirs, count)
        figures.append((own, other))
    ratios = [own.cpu_microseconds / other.cpu_microseconds for own, other in figures]
    return Paired(
        statistics.median(own.cpu_microseconds for own, _ in figures),
        statistics.median(other.cpu_microseconds for _, other in figures),
        statistics.median(own.per_second for own, _ in figures),
        statistics.median(other.per_second for _, other in figures),
        statistics.median(ratios),
        interval(ratios),
        figures,
    )


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the median: by resampling, always with the same numbers."""
    chance = random.Random(1)  # noqa: S311 - statistics
    medians = sorted(
        statistics.median(chance.choices(values, k=len(values))) for _ in range(RESAMPLES)
    )
    return medians[int(RESAMPLES * 0.025)], medians[int(RESAMPLES * 0.975) - 1]
