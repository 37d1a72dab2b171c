"""The objectives of a BookStore, and how fast their error budgets burn.

The objectives are those of docs/reference/metrics.md. Alerts follow chapter 5 of The Site
Reliability Workbook: a long window, so that a moment calls nobody, and a short one, so that the
alert ends soon after its cause.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from delivery.monitoring.rules import BY_STORE, Alert, Recording, Severity

WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
FEWEST = 10
"""The fewest bad requests that call somebody: at night a single one would be a high ratio."""


@dataclass(frozen=True, slots=True)
class Objective:
    """The share of requests that must be good, over 30 days."""

    name: str
    """The middle of the recorded names, and the value of the alerts' label `objective`."""
    target: float
    bad: str
    """The query for the rate of bad requests; `$window` stands for its window."""
    all: str
    """The query for the rate of all requests."""
    sentence: str
    """What is wrong while its budget burns."""

    def ratio(self, window: str) -> str:
        """Return the recorded name of the share of bad requests in a window."""
        return f"bookstore:{self.name}_ratio:rate{window}"

    def count(self, window: str) -> str:
        """Return the recorded name of the number of bad requests in a window."""
        return f"bookstore:{self.name}:increase{window}"


def _slow(methods: str, edge: str) -> tuple[str, str]:
    """Return the queries for requests of these methods that took longer than an edge, and all."""
    name = "bookstore_http_request_duration_seconds"
    total = f'sum by ({BY_STORE}) (rate({name}_count{{method=~"{methods}"}}[$window]))'
    fast = f'sum by ({BY_STORE}) (rate({name}_bucket{{method=~"{methods}",le="{edge}"}}[$window]))'
    return f"{total} - {fast}", total


_READS, _WRITES = _slow("GET|HEAD", "0.1"), _slow("POST|PUT|PATCH|DELETE", "0.25")
_REQUESTS = f"sum by ({BY_STORE}) (rate(bookstore_http_requests_total[$window]))"
_ERRORS = f'sum by ({BY_STORE}) (rate(bookstore_http_requests_total{{status=~"5.."}}[$window]))'

ERRORS = Objective("http_errors", 0.999, _ERRORS, _REQUESTS, "requests fail with a 5xx")
SLOW_READS = Objective("http_slow_reads", 0.99, *_READS, "reads take longer than 100 ms")
SLOW_WRITES = Objective("http_slow_writes", 0.99, *_WRITES, "writes take longer than 250 ms")
OBJECTIVES = (ERRORS, SLOW_READS, SLOW_WRITES)


@dataclass(frozen=True, slots=True)
class Burn:
    """A speed at which a budget of 30 days is used up, in the windows where it counts."""

    factor: float
    long: str
    short: str


FAST = (Burn(14.4, "1h", "5m"), Burn(6, "6h", "30m"))
"""2 % of the budget in an hour, or 5 % in six: somebody is called."""
SLOW = (Burn(3, "1d", "2h"), Burn(1, "3d", "6h"))
"""10 % of the budget in one day, or in three: it can wait until the morning."""


def recordings() -> Iterator[Recording]:
    """Yield the recorded ratios of all objectives, and the numbers of bad requests."""
    for objective in OBJECTIVES:
        for window in WINDOWS:
            bad, every = (
                text.replace("$window", window) for text in (objective.bad, objective.all)
            )
            yield Recording(objective.ratio(window), f"({bad}) / ({every} > 0)")
        for window, seconds in (("1h", 3600), ("1d", 86400)):
            bad = objective.bad.replace("$window", window)
            yield Recording(objective.count(window), f"({bad}) * {seconds}")


def alerts() -> Iterator[Alert]:
    """Yield the alerts about all objectives: for each a call and a warning."""
    for objective in OBJECTIVES:
        is_latency = objective is not ERRORS
        name = "BookStoreLatencyBudgetBurn" if is_latency else "BookStoreErrorBudgetBurn"
        for severity, burns, window in (
            (Severity.WARNING if is_latency else Severity.CRITICAL, FAST, "1h"),
            (Severity.INFO if is_latency else Severity.WARNING, SLOW, "1d"),
        ):
            yield Alert(
                name,
                severity,
                f"Too many {objective.sentence}: the budget of 30 days is used up too fast",
                f"({_burning(objective, burns)}) and on ({BY_STORE}) "
                f"{objective.count(window)} >= {FEWEST}",
                "2m",
                labels={"objective": objective.name},
            )


def _burning(objective: Objective, burns: tuple[Burn, ...]) -> str:
    budget = 1 - objective.target
    return " or ".join(
        f"({objective.ratio(burn.long)} > {burn.factor * budget:.6g} "
        f"and on ({BY_STORE}) {objective.ratio(burn.short)} > {burn.factor * budget:.6g})"
        for burn in burns
    )
