"""Judge what was counted of a release, by the limits of the spec and by the release before it."""

from bookstore_operator.crd.measured import Baseline, Counts
from bookstore_operator.crd.spec.watch import Watch

TOLERANCE = 1.5
"""A share is worse than that of the release before only if it is more than so many times that."""


def breach(limits: Watch, counts: Counts, baseline: Baseline | None) -> str | None:
    """Return which limit is exceeded, with the measured value, as a sentence; None if none is."""
    if counts.restarts > limits.max_restarts:
        return (
            f"The API's containers have restarted {counts.restarts} times "
            f"(spec.rollout.watch.maxRestarts is {limits.max_restarts})."
        )
    if counts.requests < limits.min_requests:
        return None
    before = baseline.counts if baseline else Counts()
    return _exceeds(
        "failed with a status of 500 or above",
        (counts.errors, counts.requests),
        (before.errors, before.requests),
        ("maxErrorPercent", limits.max_error_percent),
        limits,
    ) or _exceeds(
        f"took longer than {limits.slow_milliseconds} ms",
        (counts.slow, counts.requests),
        (before.slow, before.requests),
        ("maxSlowPercent", limits.max_slow_percent),
        limits,
    )


def _exceeds(
    what: str,
    measured: tuple[int, int],
    before: tuple[int, int],
    limit: tuple[str, int],
    limits: Watch,
) -> str | None:
    field, percent = limit
    share = percent_of(*measured)
    was = percent_of(*before) if before[1] >= limits.min_requests else 0.0
    if share <= max(percent, TOLERANCE * was):
        return None
    compared = f"; of the release before it were {was:.1f} %" if was else ""
    return (
        f"{share:.1f} % of {measured[1]} requests {what} "
        f"(spec.rollout.watch.{field} is {percent}{compared})."
    )


def percent_of(part: int, whole: int) -> float:
    """Return a share in percent; 0 of nothing."""
    return 100 * part / whole if whole else 0.0


def describe(counts: Counts, limits: Watch) -> str:
    """Return the measured values as a sentence."""
    slow = f"slower than {limits.slow_milliseconds} ms"
    return (
        f"{counts.requests} requests, {percent_of(counts.errors, counts.requests):.1f} % errors, "
        f"{percent_of(counts.slow, counts.requests):.1f} % {slow}, {counts.restarts} restarts."
    )
