"""Read what decisions need from the API's metrics (Prometheus' text format, version 0.0.4).

Only the lines of a few metrics are parsed: the page has hundreds of lines, and each Pod of a
release is read several times. docs/reference/metrics.md describes the metrics.
"""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from bookstore_operator.core.measurements import Reading

REQUESTS = "bookstore_http_requests_total"
DURATIONS = "bookstore_http_request_duration_seconds_bucket"
CONNECTIONS = "bookstore_http_connections_open"
BUILD_INFO = "bookstore_build_info"
PROCESS_START = "process_start_time_seconds"

_NAMES = (REQUESTS, DURATIONS, CONNECTIONS, BUILD_INFO, PROCESS_START)
_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?[ \t]+(\S+)(?:[ \t]+\S+)?[ \t]*")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


class UnreadablePageError(ValueError):
    """A page of metrics lacks what is needed; the message says what, as the end of a sentence."""


class Sample(NamedTuple):
    """One line of a page."""

    name: str
    labels: Mapping[str, str]
    value: float


def read_page(page: str, slow_seconds: float, at: datetime) -> Reading:
    """Return the Reading of a page.

    Raises:
        UnreadablePageError: it lacks a metric, or its histogram has no such edge.

    """
    requests = errors = slow = within = 0.0
    process, revision, connections, edges = 0.0, "", None, set[float]()
    for name, labels, value in _samples(page):
        if name == REQUESTS:
            requests += value
            errors += value if labels.get("status", "") >= "500" else 0.0
        elif name == DURATIONS:
            edge = _number(labels.get("le", ""))
            edges.add(edge)
            slow += value if edge == math.inf else 0.0
            within += value if edge == slow_seconds else 0.0
        elif name == CONNECTIONS:
            connections = int(value)
        elif name == BUILD_INFO:
            revision = labels.get("revision", "")
        else:
            process = value
    _check(process, revision, edges, slow_seconds)
    counts = int(requests), int(errors), max(0, int(slow - within))
    return Reading(at, process, revision, *counts, connections)


def _check(process: float, revision: str, edges: set[float], slow_seconds: float) -> None:
    if not process:
        raise UnreadablePageError(f"the page has no {PROCESS_START}")
    if not revision:
        raise UnreadablePageError(f"the page has no {BUILD_INFO} with a revision")
    if edges and slow_seconds not in edges:
        raise UnreadablePageError(
            f"its histogram of durations has no bucket with the edge {slow_seconds:g} s "
            "(rollout.watch.slowMilliseconds)"
        )


def _samples(page: str) -> Iterator[Sample]:
    for line in page.split("\n"):
        if not line.startswith(_NAMES):
            continue
        match = _SAMPLE.fullmatch(line.rstrip("\r"))
        if match is None:
            raise UnreadablePageError("a line is not in Prometheus' text format")
        if match[1] in _NAMES:
            value = _number(match[3])
            if not math.isfinite(value):
                raise UnreadablePageError(f"{match[1]} is {match[3][:20]}")
            yield Sample(match[1], dict(_LABEL.findall(match[2] or "")), value)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UnreadablePageError(f"{text[:20]!r} is no number") from None
