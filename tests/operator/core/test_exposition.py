"""The metrics that decisions need are read from a page as Prometheus' own parser reads them."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from bookstore_operator.core.exposition import UnreadablePageError, read_page
from tests.support.metrics_page import page

pytestmark = pytest.mark.scenario

AT = datetime(2026, 1, 1, tzinfo=UTC)
TEXT = st.text(max_size=12)


def registry_of(requests: list[tuple[str, int, float]]) -> CollectorRegistry:
    """Return what the API would have counted: route, status and duration of each request."""
    registry = CollectorRegistry()
    labels = ["method", "route", "status"]
    counter = Counter("bookstore_http_requests_total", "Requests.", labels, registry=registry)
    name = "bookstore_http_request_duration_seconds"
    edges = (0.5, 1.0, 10.0)
    histogram = Histogram(name, "Durations.", labels[:2], buckets=edges, registry=registry)
    for route, status, seconds in requests:
        counter.labels("GET", route, status).inc()
        histogram.labels("GET", route).observe(seconds)
    Gauge("bookstore_http_connections_open", "Open.", registry=registry).set(3)
    info = Gauge("bookstore_build_info", "Info.", ["revision", "color"], registry=registry)
    info.labels("7", "green").set(1)
    Gauge("process_start_time_seconds", "Start.", registry=registry).set(1.7e9)
    return registry


REQUEST = st.tuples(TEXT, st.sampled_from([200, 404, 499, 500, 503]), st.floats(0, 20))


@given(st.lists(REQUEST, max_size=20))
def test_a_page_is_read_as_the_clients_own_parser_reads_it(
    requests: list[tuple[str, int, float]],
) -> None:
    text = generate_latest(registry_of(requests)).decode()
    reading = read_page(text, 1.0, AT)

    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    counted = [s for s in samples if s.name == "bookstore_http_requests_total"]
    assert reading.requests == sum(s.value for s in counted) == len(requests)
    assert reading.errors == sum(s.value for s in counted if s.labels["status"] >= "500")
    assert reading.slow == sum(seconds > 1.0 for _, _, seconds in requests)
    assert (reading.process, reading.revision, reading.connections) == (1.7e9, "7", 3)


def test_what_was_never_counted_is_zero() -> None:
    reading = read_page(page(revision=2), 1.0, AT)
    assert (reading.requests, reading.errors, reading.slow) == (0, 0, 0)


def test_an_image_without_the_gauge_of_connections_is_read() -> None:
    text = page(revision=2).replace("bookstore_http_connections_open", "something_else")
    assert read_page(text, 1.0, AT).connections is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<html>Sign in</html>", "no process_start_time_seconds"),
        ("process_start_time_seconds 1.0\n", "no bookstore_build_info"),
        ("process_start_time_seconds NaN\n", "is NaN"),
        ("process_start_time_seconds one\n", "'one' is no number"),
        ("process_start_time_seconds\n", "not in Prometheus' text format"),
        ('bookstore_http_requests_total{status="200"} -Inf\n', "is -Inf"),
    ],
)
def test_a_page_without_what_is_needed_is_unreadable(text: str, why: str) -> None:
    with pytest.raises(UnreadablePageError, match=why):
        read_page(text, 1.0, AT)


def test_a_limit_that_is_no_edge_of_the_histogram_is_named() -> None:
    text = generate_latest(registry_of([("/", 200, 0.1)])).decode()
    with pytest.raises(UnreadablePageError, match=r"no bucket with the edge 2\.5 s"):
        read_page(text, 2.5, AT)


@given(st.text(max_size=300))
def test_any_text_is_read_or_unreadable(text: str) -> None:
    for line in (text, f"bookstore_http_requests_total{text}", f"{page(revision=1)}{text}"):
        try:
            reading = read_page(line, 1.0, AT)
        except UnreadablePageError:
            continue
        assert math.isfinite(reading.process)
