"""What the outermost layer promises: an id, a context, and exactly one line for each request."""

import asyncio
import io
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import httpx
import pytest
import structlog
from fastapi import Depends, FastAPI
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from bookstore_api.settings import Settings
from bookstore_api.telemetry.pseudonyms import pseudonym
from bookstore_api.web.client_address import ClientAddresses
from bookstore_api.web.middleware.request_log import RequestLogMiddleware
from bookstore_api.web.server.serve import make_server
from tests.support.bookstore import app_of, served, wait_for, wait_until
from tests.support.log_lines import access_lines, logging_to, validated
from tests.support.raw import connect

BOOKS = "/api/v1/books"
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
log = structlog.stdlib.get_logger("test")


def log_in_a_thread() -> None:
    """A synchronous dependency: it runs in a thread, which has a copy of the context."""
    log.info("in a dependency")


def with_more_routes(app: FastAPI) -> FastAPI:
    """Add routes that do what no route of ours should."""

    @app.get("/fail")
    async def fail() -> None:
        raise ValueError("a fault")

    @app.get("/fail-in-a-thread")
    def fail_in_a_thread(_logged: Annotated[None, Depends(log_in_a_thread)]) -> None:
        log.info("in a thread")
        raise ValueError("a fault")

    @app.get("/break-off")
    async def break_off() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"part"
            raise ValueError("a fault")

        return StreamingResponse(parts())

    @app.post("/echo/{number}")
    async def echo(number: int, request: Request) -> dict[str, int]:
        log.info("before")
        await request.body()
        log.info("after")
        return {"number": number}

    return app


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    with logging_to() as stream:
        yield stream


@pytest.fixture
def client(settings: Settings, stream: io.StringIO) -> Iterator[httpx.Client]:
    assert stream.getvalue() == ""
    with served(with_more_routes(app_of(settings))) as client:
        yield client


def lines_of(stream: io.StringIO) -> list[dict[str, Any]]:
    return validated(stream.getvalue().splitlines())


def wait_for_line(stream: io.StringIO, request_id: str) -> dict[str, Any]:
    """Wait for the line of a request: it is written after its answer."""

    def find() -> dict[str, Any] | None:
        matching = [
            line
            for line in access_lines(lines_of(stream))
            if line["request_id"] == request_id
        ]  # fmt: skip
        assert len(matching) <= 1
        return matching[0] if matching else None

    return wait_for(find, f"the line of {request_id}")


@pytest.mark.invariant
@pytest.mark.parametrize(
    ("asked", "status", "route"),
    [
        (("GET", BOOKS), 200, BOOKS),
        (("GET", f"{BOOKS}?limit=none&isbn=canary"), 422, BOOKS),
        (("POST", BOOKS), 422, BOOKS),
        (("GET", f"{BOOKS}/canary"), 422, f"{BOOKS}/{{book_id}}"),
        (("GET", f"{BOOKS}/9b5e4d2e-1f52-4c3e-8a52-0d6c2cf3f6a1"), 404, f"{BOOKS}/{{book_id}}"),
        (("GET", "/openapi.json"), 200, "/openapi.json"),
        (("GET", "/canary/canary"), 404, "(unmatched)"),
        (("HEAD", "/canary"), 404, "(unmatched)"),
        (("OPTIONS", "/canary"), 404, "(unmatched)"),
        (("TRACE", "/canary"), 404, "(unmatched)"),
        (("GET", "/fail"), 500, "/fail"),
        (("GET", "/fail-in-a-thread"), 500, "/fail-in-a-thread"),
    ],
)
def test_each_request_gives_one_line(
    client: httpx.Client, stream: io.StringIO, asked: tuple[str, str], status: int, route: str
) -> None:
    method, path = asked
    answer = client.request(method, path, headers={"x-request-id": "r-1"})
    assert answer.headers.get_list("x-request-id") == ["r-1"]
    line = wait_for_line(stream, "r-1")
    assert (answer.status_code, line["status"], line["route"]) == (status, status, route)
    assert line["method"] == (method if method != "TRACE" else "(other)")
    assert line["client"] == pseudonym("127.0.0.1")
    assert line["duration_ms"] > 0
    assert "error" not in line
    assert {line.get("request_id") for line in lines_of(stream)} == {"r-1"}
    assert "canary" not in stream.getvalue()


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT"])
def test_a_method_that_a_route_lacks_gives_one_line(
    client: httpx.Client, stream: io.StringIO, method: str
) -> None:
    answer = client.request(method, BOOKS, headers={"x-request-id": "r-1"})
    line = wait_for_line(stream, "r-1")
    assert (line["method"], line["status"]) == (method, answer.status_code)


def test_lines_from_threads_are_of_the_request_too(
    client: httpx.Client, stream: io.StringIO
) -> None:
    client.get("/fail-in-a-thread", headers={"x-request-id": "r-1"})
    wait_for_line(stream, "r-1")
    logged = [(line["event"], line["request_id"]) for line in lines_of(stream)]
    assert logged == [
        ("in a dependency", "r-1"),
        ("in a thread", "r-1"),
        ("unhandled exception", "r-1"),
        ("request", "r-1"),
    ]


def test_a_trace_is_told_in_each_line(client: httpx.Client, stream: io.StringIO) -> None:
    headers = {"x-request-id": "r-1", "traceparent": f"00-{TRACE}-{SPAN}-01"}
    client.get("/fail", headers=headers)
    wait_for_line(stream, "r-1")
    lines = lines_of(stream)
    assert len(lines) == 2
    assert {(line["trace_id"], line["span_id"]) for line in lines} == {(TRACE, SPAN)}


def test_an_id_that_is_not_sane_is_replaced(client: httpx.Client, stream: io.StringIO) -> None:
    ids = {
        client.get(BOOKS, headers=[("x-request-id", value) for value in values]).headers[
            "x-request-id"
        ]
        for values in ([], ["a@example.org"], ["r-1", "r-2"], ["r" * 65])
    }
    assert len(ids) == 4
    assert all(len(id_) == 32 for id_ in ids)
    assert {wait_for_line(stream, id_)["request_id"] for id_ in ids} == ids


def test_an_answer_that_breaks_off_is_told_with_the_error(
    client: httpx.Client, stream: io.StringIO
) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/break-off", headers={"x-request-id": "r-1"})
    line = wait_for_line(stream, "r-1")
    assert line["status"] == 200
    assert line["error"] in {"ValueError", "ExceptionGroup"}


def test_a_client_that_leaves_before_the_answer_is_told_as_499(
    client: httpx.Client, stream: io.StringIO
) -> None:
    with connect(str(client.base_url)) as connection:
        head = b"POST /echo/1 HTTP/1.1\r\nhost: x\r\nx-request-id: r-1\r\ncontent-length: 9\r\n\r\n"
        connection.sendall(head + b"half")
        wait_until(lambda: "before" in stream.getvalue(), "the request to be in progress")
    assert wait_for_line(stream, "r-1")["status"] == 499


@pytest.mark.invariant
def test_many_requests_at_once_keep_to_their_own_ids(
    client: httpx.Client, stream: io.StringIO
) -> None:
    connections = [connect(str(client.base_url)) for _ in range(20)]
    body = b"x" * 4
    for number, connection in enumerate(connections):
        head = f"POST /echo/{number} HTTP/1.1\r\nhost: x\r\nx-request-id: r-{number}\r\n"
        connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode())
    wait_until(lambda: stream.getvalue().count('"before"') == 20, "all to be in progress")
    for connection in reversed(connections):  # they end in another order than they began
        connection.sendall(body)
    for number in range(20):
        assert wait_for_line(stream, f"r-{number}")["status"] == 200
    for connection in connections:
        connection.close()
    ids = sorted(line["request_id"] for line in lines_of(stream))
    assert ids == sorted(3 * [f"r-{number}" for number in range(20)])


@pytest.mark.invariant
def test_requests_in_one_pipeline_keep_to_their_own_ids(
    settings: Settings, stream: io.StringIO
) -> None:
    """The second begins within the first's answer, and ends before what the first has left to do.

    What the server says of the second, once it has passed our layers, must not name the first.
    """
    second_is_through = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for kind in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{kind}.complete"})
            return
        await send({"type": "http.response.start", "status": 204, "headers": []})
        if scope["path"] == "/second":
            raise ValueError("a fault")
        await send({"type": "http.response.body", "body": b""})
        await asyncio.wait_for(second_is_through.wait(), 20)

    async def outside(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await RequestLogMiddleware(app, ClientAddresses(()))(scope, receive, send)
        finally:
            if scope.get("path") == "/second":
                log.warning("past our layers")
                second_is_through.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = make_server(outside, settings)
        thread = threading.Thread(target=lambda: server.run(sockets=[listener]), daemon=True)
        thread.start()
        with socket.create_connection(listener.getsockname(), timeout=20) as connection:
            for name in ("first", "second"):
                head = f"GET /{name} HTTP/1.1\r\nhost: x\r\nx-request-id: {name}\r\n\r\n"
                connection.sendall(head.encode())
            for name in ("second", "first"):
                wait_for_line(stream, name)
        server.should_exit = True
        thread.join(20)
    logged = [(line["event"], line.get("request_id")) for line in lines_of(stream)]
    assert logged == [
        ("request", "second"),
        ("past our layers", None),
        ("Exception in ASGI application", None),
        ("request", "first"),
    ]


async def ask(app: Any, scope: dict[str, Any]) -> list[Message]:
    """Send a request without a server."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    whole = {"type": "http", "method": "GET", "headers": [], "client": None, **scope}
    await RequestLogMiddleware(app, ClientAddresses(()))(whole, receive, send)
    return sent


def test_a_request_that_is_cut_off_is_told_too(stream: io.StringIO) -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        await asyncio.Event().wait()

    async def run() -> None:
        task = asyncio.create_task(ask(app, {"path": "/"}))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})

    asyncio.run(run())
    (line,) = access_lines(lines_of(stream))
    assert (line["status"], line["error"]) == (500, "CancelledError")
    assert "client" not in line


def test_a_client_behind_a_proxy_is_told_by_its_own_address(stream: io.StringIO) -> None:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        scope["bookstore.request_state"].client = "192.0.2.1"
        await send({"type": "http.response.start", "status": 204, "headers": []})

    asyncio.run(ask(app, {"path": "/", "client": ("198.51.100.1", 1)}))
    (line,) = access_lines(lines_of(stream))
    assert line["client"] == pseudonym("192.0.2.1")
    assert json.dumps(line).count("192.0.2.1") == 0
