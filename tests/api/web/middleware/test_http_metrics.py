"""Every request is counted once, whatever it is and however it ends; by a real server."""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import prometheus_client.metrics
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bookstore_api.settings import Settings
from bookstore_api.telemetry.metrics import DURATION_BUCKETS, ERROR_TYPES, REGISTRY
from bookstore_api.telemetry.request_state import METHODS
from bookstore_api.web.client_address import ClientAddresses
from bookstore_api.web.middleware.http_metrics import HttpMetricsMiddleware
from bookstore_api.web.middleware.request_log import RequestLogMiddleware
from tests.support.bookstore import app_of, served, wait_until
from tests.support.examples import scaled
from tests.support.raw import connect

BOOKS = "/api/v1/books"
BOOK = BOOKS + "/{book_id}"
UNMATCHED = "(unmatched)"
Labels = tuple[str, ...]
Counts = dict[Labels, float]


def _samples(name: str, *labels: str) -> Counts:
    """Return the values of a metric by its labels."""
    samples: dict[Labels, float] = {}
    for family in REGISTRY.collect():
        assert isinstance(family, Metric)
        for sample in family.samples:
            if sample.name == name:
                samples[tuple(sample.labels[label] for label in labels)] = sample.value
    return samples


def _requests() -> Counts:
    return _samples("bookstore_http_requests_total", "method", "route", "status")


def _errors() -> Counts:
    return _samples("bookstore_errors_total", "type")


def _in_progress() -> Counts:
    return {
        labels: count
        for labels, count in _samples(
            "bookstore_http_requests_in_progress", "method", "route"
        ).items()
        if count
    }


def _durations() -> Counts:
    return _samples("bookstore_http_request_duration_seconds_count", "method", "route")


def _more(before: Counts, after: Counts) -> Counts:
    return {
        key: value - before.get(key, 0)
        for key, value in after.items()
        if value != before.get(key, 0)
    }


class Counting:
    """What was counted since it was made."""

    def __init__(self) -> None:
        self._before = _requests(), _errors(), _durations()

    def requests(self) -> Counts:
        """Requests by method, route and status."""
        return _more(self._before[0], _requests())

    def errors(self) -> dict[str, float]:
        """Problems by type."""
        return {key[0]: value for key, value in _more(self._before[1], _errors()).items()}

    def durations(self) -> Counts:
        """Observed durations by method and route."""
        return _more(self._before[2], _durations())

    def wait(self, number: int) -> Counts:
        """Wait for so many requests; the server counts when it has sent the answer."""
        wait_until(lambda: sum(self.requests().values()) >= number, "requests to be counted")
        assert sum(self.requests().values()) == number
        assert sum(self.durations().values()) == number
        return self.requests()


@pytest.fixture(scope="module")
def served_app(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> FastAPI:
    """The app with a few routes that go wrong."""
    folder = tmp_path_factory.mktemp("metrics")
    database = folder / "books.db"
    database.write_bytes(migrated_file.read_bytes())
    given_settings = {"database_url": f"sqlite:///{database}", "secrets_dir": folder / "none"}
    app = app_of(Settings.model_validate(given_settings))

    async def fault() -> None:
        raise RuntimeError

    async def too_large() -> None:
        raise HTTPException(413)

    async def breaks_off() -> StreamingResponse:
        async def body() -> AsyncIterator[bytes]:
            yield b"x"
            raise RuntimeError

        return StreamingResponse(body())

    app.add_api_route("/fault", fault)
    app.add_api_route("/too-large", too_large)
    app.add_api_route("/breaks-off", breaks_off)
    return app


@pytest.fixture(scope="module")
def client(served_app: FastAPI) -> Iterator[httpx.Client]:
    with served(served_app) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "counted", "error"),
    [
        ("GET", BOOKS, ("GET", BOOKS, "200"), None),
        ("GET", f"{BOOKS}/no-uuid", ("GET", BOOK, "422"), "validation"),
        (
            "GET",
            f"{BOOKS}/00000000-0000-0000-0000-000000000000",
            ("GET", BOOK, "404"),
            "not_found",
        ),
        ("HEAD", BOOKS, ("HEAD", BOOKS, "200"), None),
        ("OPTIONS", BOOKS, ("OPTIONS", BOOKS, "204"), None),
        ("PUT", BOOKS, ("PUT", BOOKS, "405"), "method_not_allowed"),
        ("TRACE", BOOKS, ("other", BOOKS, "405"), "method_not_allowed"),
        ("TRACE", "/coffee", ("other", UNMATCHED, "404"), "not_found"),
        ("GET", "/.env", ("GET", UNMATCHED, "404"), "not_found"),
        ("GET", "/docs", ("GET", "/docs", "200"), None),
        ("GET", "/openapi.json", ("GET", "/openapi.json", "200"), None),
        ("GET", "/fault", ("GET", "/fault", "500"), "internal"),
        ("GET", "/too-large", ("GET", "/too-large", "413"), "content_too_large"),
    ],
)
def test_each_outcome_is_counted_once(
    client: httpx.Client, method: str, path: str, counted: Labels, error: str | None
) -> None:
    counting = Counting()
    answer = client.request(method, path)
    assert counting.wait(1) == {counted: 1}
    assert str(answer.status_code) == counted[2]
    assert counting.durations() == {counted[:2]: 1}
    assert counting.errors() == ({error: 1} if error else {})


def test_an_answer_that_breaks_off_is_counted_as_it_began_and_as_a_fault(
    client: httpx.Client,
) -> None:
    counting = Counting()
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/breaks-off")
    assert counting.wait(1) == {("GET", "/breaks-off", "200"): 1}
    assert counting.errors() == {"internal": 1}


def test_an_absent_database_is_a_kind_of_its_own(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/no-folder/books.db"
    app = app_of(Settings.model_validate({"database_url": url, "secrets_dir": tmp_path}))
    counting = Counting()
    with served(app) as client:
        assert client.get(BOOKS).status_code == 503
    assert counting.wait(1) == {("GET", BOOKS, "503"): 1}
    assert counting.errors() == {"database_unavailable": 1}


def _begin_upload(client: httpx.Client) -> socket.socket:
    """Send the first half of a book."""
    connection = connect(str(client.base_url))
    head = f"POST {BOOKS} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    connection.sendall(f"{head}content-length: 100\r\n\r\n{{".encode())
    return connection


def test_a_request_is_in_progress_by_its_route_until_its_client_has_left(
    client: httpx.Client,
) -> None:
    counting = Counting()
    with _begin_upload(client), _begin_upload(client):
        wait_until(lambda: _in_progress() == {("POST", BOOKS): 2}, "requests in progress")
        assert counting.requests() == {}
    assert counting.wait(2) == {("POST", BOOKS, "499"): 2}
    assert counting.errors() == {"client_left": 2}
    assert _in_progress() == {}
    assert ("POST", BOOKS) in _samples("bookstore_http_requests_in_progress", "method", "route")


@pytest.mark.parametrize("ending", [RuntimeError, asyncio.CancelledError])
def test_what_escapes_unanswered_is_counted_as_a_fault(ending: type[BaseException]) -> None:
    """No layer further in has caught it; the server answers 500 by itself."""

    async def inner(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ending

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_message: Message) -> None:
        raise AssertionError

    app: ASGIApp = RequestLogMiddleware(HttpMetricsMiddleware(inner), clients=ClientAddresses(()))
    scope: Scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "client": None}
    counting = Counting()
    with pytest.raises(ending):
        asyncio.run(_call(app, scope, receive, send))
    assert counting.requests() == {("GET", UNMATCHED, "500"): 1}
    assert counting.errors() == {"internal": 1}
    assert _in_progress() == {}


async def _call(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)


@pytest.mark.invariant
def test_concurrent_requests_lose_no_count(client: httpx.Client) -> None:
    counting = Counting()

    def ask() -> None:
        with httpx.Client(base_url=client.base_url, timeout=20) as own:
            for _ in range(25):
                own.get(BOOKS)
                own.get("/nowhere")

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert counting.wait(200) == {("GET", BOOKS, "200"): 100, ("GET", UNMATCHED, "404"): 100}


def test_children_are_looked_up_once(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.get(BOOKS)
    client.get("/nowhere")
    looked_up: list[Any] = []
    wrapper = prometheus_client.metrics.MetricWrapperBase
    monkeypatch.setattr(wrapper, "labels", lambda *given, **_: looked_up.append(given))
    counting = Counting()
    client.get(BOOKS)
    client.get("/nowhere")
    counting.wait(2)
    assert looked_up == []


# Begun so that none is a word of our own, such as that of a metric's name.
_words = st.text(st.characters(codec="ascii", categories=["Lu", "Ll"]), min_size=2, max_size=6).map(
    "Canary{}".format
)
_paths = st.one_of(
    st.sampled_from([BOOKS, "/docs", "/fault", "/too-large"]),
    _words.map(lambda word: f"/{word}"),
    _words.map(lambda word: f"{BOOKS}/{word}"),
    _words.map(lambda word: f"{BOOKS}?isbn={word}"),
)
# The server itself rejects methods that nobody ever registered, which no application sees.
_methods = st.sampled_from([*sorted(METHODS), "TRACE"])


@settings(max_examples=scaled(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(_methods, _paths), min_size=1, max_size=8))
def test_no_client_makes_a_label(client: httpx.Client, asked: list[tuple[str, str]]) -> None:
    counting = Counting()
    for method, path in asked:
        client.request(method, path, content=json.dumps({"title": path}))
    counted = counting.wait(len(asked))
    routes = {BOOKS, BOOK, "/docs", "/fault", "/too-large", UNMATCHED}
    assert {method for method, _, _ in counted} <= METHODS | {"other"}
    assert {route for _, route, _ in counted} <= routes
    assert set(counting.errors()) <= set(ERROR_TYPES.values())
    page = generate_latest(REGISTRY).decode()
    words = {
        word for request in asked for word in request if word not in METHODS and word not in routes
    }
    assert not [word for word in words if word.lstrip("/") in page]


def test_the_buckets_tell_whether_the_objectives_are_kept(client: httpx.Client) -> None:
    """P6, performance SLA: a scraper can read whether each documented objective is met."""
    client.get(BOOKS)
    bounds = _samples("bookstore_http_request_duration_seconds_bucket", "le")
    assert {float(le) for (le,) in bounds} == {*DURATION_BUCKETS, float("inf")}
    assert {0.05, 0.1, 0.25, 0.5} <= set(DURATION_BUCKETS)
