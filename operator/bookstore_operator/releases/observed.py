"""What is known of a release's requests: from its Pods' own metrics, or from a Prometheus.

Three outcomes are kept apart: it could not be read, nobody has asked, it was read.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never

from bookstore_operator.core import names, prometheus
from bookstore_operator.core.measurements import (
    LoadedKeys,
    Measurement,
    NoData,
    PrometheusQuery,
    Reading,
    Unreadable,
    Value,
)
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.measured import Counts, Tally
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.crd.spec.watch import Prometheus
from bookstore_operator.releases import tally

OLDEST_BASE = timedelta(seconds=30)
"""If counts are older than this at the switch, new ones are the beginning: testers use a preview
that waits for its approval."""
_WINDOW_STEP = 15
"""The window of a query grows in steps of so many seconds: each is another measurement."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What is known of a release's requests at this visit."""

    counts: Counts
    tally: Tally = field(default_factory=Tally)
    problem: str = ""
    """Why it is not all known, as sentences."""
    pending: bool = False
    """A measurement was not taken yet."""
    measurements: tuple[Measurement, ...] = ()
    """What to measure for the next visit."""
    readings: Mapping[str, Reading] = field(default_factory=dict)
    """The Pods' readings, by their uids."""


def observe(
    snapshot: Snapshot, release: BookStoreRelease, since: datetime, now: datetime
) -> Observed:
    """Return what is known of the requests of a release since a moment.

    What its record has is kept where nothing newer is known.
    """
    record = release.status.watch
    last = record.tally if record else Tally()
    counted = record.counts if record else Counts()
    if source := snapshot.store.spec.rollout.watch.prometheus:
        elapsed = max(1.0, (now - since).total_seconds())
        window = math.ceil(elapsed / _WINDOW_STEP) * _WINDOW_STEP
        asked = ask(snapshot, release, source, window)
        restarted = tally.count(last, snapshot, release, {})
        known = counted if asked.problem or asked.pending else asked.counts
        counts = known.model_copy(update={"restarts": tally.total(restarted).restarts})
        return Observed(counts, restarted, asked.problem, asked.pending, asked.measurements)
    observed = read(snapshot, release, last)
    if observed.readings and last.read_at and since - last.read_at > OLDEST_BASE:
        fresh = tally.begin(snapshot, release, dict(observed.readings))
        return replace(observed, tally=fresh, counts=tally.total(fresh))
    return observed


def read(snapshot: Snapshot, release: BookStoreRelease, last: Tally, times: int = 1) -> Observed:
    """Return what the Pods of a release say, after what they said last."""
    wanted = tally.scrapes(snapshot, release, times)
    readings = tally.readings(snapshot, wanted)
    counted = tally.count(last, snapshot, release, readings)
    return Observed(
        tally.total(counted),
        counted,
        tally.unreadable(snapshot, wanted),
        any(scrape not in snapshot.measurements for scrape in wanted),
        wanted,
        readings,
    )


def ask(snapshot: Snapshot, release: BookStoreRelease, source: Prometheus, window: int) -> Observed:
    """Return what a Prometheus says of a release's requests within the last seconds."""
    queries = _queries(snapshot, release, source, window)
    numbers: dict[str, int] = {}
    problem, pending = "", False
    for name, query in queries.items():
        match snapshot.measurements.get(query):
            case None:
                pending = True
            case Value(number=number):
                numbers[name] = max(0, round(number))
            case NoData():
                problem = problem or (
                    f"The query for {name} of Prometheus {source.url} returns no data: it does not "
                    "measure the Pods, or the query does not select them (spec.rollout.watch."
                    f"prometheus.{name})."
                )
            case Unreadable(cause=cause):
                problem = problem or (
                    f"Prometheus {source.url} does not answer the query for {name}: {cause}."
                )
            case Reading() | LoadedKeys():
                raise TypeError("a query has no reading")
            case other:
                assert_never(other)
    return Observed(
        Counts(**numbers),
        problem=problem,
        pending=pending,
        measurements=tuple(queries.values()),
    )


def _queries(
    snapshot: Snapshot, release: BookStoreRelease, source: Prometheus, window: int
) -> dict[str, PrometheusQuery]:
    store, color = snapshot.store, release.spec.color
    slow = store.spec.rollout.watch.slow_milliseconds / 1000
    variables = {
        "namespace": store.metadata.namespace,
        "store": store.name,
        "pods": f"{names.deployment(store.name, color)}-.+",
        "revision": str(release.spec.revision),
        "color": color.value,
        "seconds": str(window),
        "slow": "|".join(dict.fromkeys([f"{slow:g}", str(slow)])),
    }
    templates = {
        "requests": source.requests or prometheus.REQUESTS,
        "errors": source.errors or prometheus.ERRORS,
        "slow": source.slow or prometheus.SLOW,
    }
    return {
        name: PrometheusQuery(source.url, prometheus.render(template, variables))
        for name, template in templates.items()
    }
