"""What a stage wants to have measured, and the results, as data.

A stage asks in its Plan (`Plan.measurements`) and finds the results in a later Snapshot. They are
taken in the background (runtime/scrape.py), again and again for as long as Plans ask for them, so
that no visit waits for a Pod that does not answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import TypeAlias

POLL_SECONDS = 5.0
"""How often a measurement is repeated."""


@dataclass(frozen=True, slots=True)
class PodScrape:
    """Read the metrics of one Pod."""

    uid: str
    pod: str
    """Its name, for messages."""
    address: str
    """Its IP address; empty while it has none."""
    slow_seconds: float
    """Slower answers are counted: an edge of the duration histogram."""
    times: int = 1
    """How often to read them in a row, by a connection each, to find several processes."""


@dataclass(frozen=True, slots=True)
class KeyScrape:
    """Ask one Pod which signing keys it has loaded."""

    uid: str
    address: str
    """Its IP address; empty while it has none."""


@dataclass(frozen=True, slots=True)
class PrometheusQuery:
    """Ask a Prometheus for the current value of an expression."""

    url: str
    query: str


@dataclass(frozen=True, slots=True)
class Reading:
    """The metrics of one process. What it has not counted yet is 0."""

    at: datetime
    process: float
    """When the process started, in seconds since 1970: another one counts from 0 again."""
    revision: str
    """The revision that it says it is."""
    requests: int
    errors: int
    """Those that were answered with a status of 500 or above."""
    slow: int
    connections: int | None
    """Open connections of clients; None if the image does not say."""


@dataclass(frozen=True, slots=True)
class LoadedKeys:
    """The signing keys that a process has loaded."""

    at: datetime
    kids: frozenset[str] | None
    """The ids of the keys that it verifies with; None: its image knows no accounts."""
    signing: str | None = None
    """The id of the key that it signs with; None if it does not say, or has none."""


@dataclass(frozen=True, slots=True)
class Value:
    """The one number that a query has returned; never NaN."""

    at: datetime
    number: float


@dataclass(frozen=True, slots=True)
class NoData:
    """A query returned no series: nobody was measured, which is no zero."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The measurement failed."""

    at: datetime
    cause: str
    """Why, as the end of a sentence after a colon."""


Measurement: TypeAlias = PodScrape | KeyScrape | PrometheusQuery
Result: TypeAlias = Reading | LoadedKeys | Value | NoData | Unreadable
Measurements: TypeAlias = Mapping[Measurement, Result]

NONE: Measurements = MappingProxyType({})
