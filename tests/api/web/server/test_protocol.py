"""One connection to a real server: what is rejected, how, and what it may cost."""

import asyncio
import hashlib
import inspect
import io
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import generate_latest
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http import httptools_impl

from bookstore_api.process.drain import Drain
from bookstore_api.settings import Settings
from bookstore_api.telemetry.metrics import REGISTRY
from bookstore_api.web.middleware.connection_close import ConnectionCloseMiddleware
from bookstore_api.web.middleware.security_headers import security_headers
from bookstore_api.web.server.protocol import LimitedProtocol, expiry
from bookstore_api.web.server.request_head import MAX_PIPELINED
from tests.support.bookstore import served, wait_for, wait_until
from tests.support.log_lines import logging_to, validated
from tests.support.raw import Answer, answers, connect, exchange, read_to_end
from tests.support.raw import send as send_all

HEAD = b"GET / HTTP/1.1\r\nhost: x\r\n"
GET = HEAD + b"\r\n"
LAST = HEAD + b"connection: close\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: x\r\n"
LONG = 16 * 1024 * 1024


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the body, or before it was sent where the path says so."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body, more = b"", not scope["path"].startswith("/early")
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        more = message["more_body"]
    if scope["path"] == "/headers":
        body = b"\n".join(name for name, _ in scope["headers"])
    if scope["path"].endswith("/long"):
        body = bytes(LONG)
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def serving(app: ASGIApp = echo, **settings: object) -> Iterator[str]:
    """Serve an app with limits; its URL."""
    with served(app, Settings.model_validate(settings)) as client:
        yield str(client.base_url)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving() as address:
        yield address


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What is logged during the test."""
    with logging_to() as stream:
        yield stream


def rejections() -> float:
    """How many requests were rejected so far, by the metrics."""
    lines = generate_latest(REGISTRY).decode().splitlines()
    return sum(
        float(line.split()[-1])
        for line in lines
        if line.startswith("bookstore_http_rejected_total{")
    )


MALFORMED = {
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 canary\r\n\r\n",
    "an old version": b"GET /\r\n\r\n",
    "a space in a name": HEAD + b"x canary: 1\r\n\r\n",
    "a space after a name": HEAD + b"canary : 1\r\n\r\n",
    "a folded line": HEAD + b"x: 1\r\n canary: 2\r\n\r\n",
    "NUL in a value": HEAD + b"x: can\0ary\r\n\r\n",
    "a bare CR in a value": HEAD + b"x: 1\rcanary: 2\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nhost: x\nx: canary\n\n",
    "bytes in the target": b"GET /\xffcanary HTTP/1.1\r\nhost: x\r\n\r\n",
    "NUL in the target": b"GET /\0canary HTTP/1.1\r\nhost: x\r\n\r\n",
    "a target of OPTIONS only": b"GET * HTTP/1.1\r\nhost: x\r\n\r\n",
    "a URL of another scheme": b"GET ftp://canary/ HTTP/1.1\r\nhost: x\r\n\r\n",
    "a fragment": b"GET /#canary HTTP/1.1\r\nhost: x\r\n\r\n",
    "a length that is none": POST + b"content-length: canary\r\n\r\n",
    "a negative length": POST + b"content-length: -1\r\n\r\n",
    "a signed length": POST + b"content-length: +1\r\n\r\n1",
    "a length beyond 64 bits": POST + b"content-length: 99999999999999999999\r\n\r\n",
    "two lengths": POST + b"content-length: 1\r\ncontent-length: 2\r\n\r\n12",
    "a list of lengths": POST + b"content-length: 1, 2\r\n\r\n12",
    "a length and chunks": POST
    + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": POST
    + b"transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n",
    "two codings": POST + b"transfer-encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n",
    "a chunk's size that is none": POST + b"transfer-encoding: chunked\r\n\r\ncanary\r\n",
    "a chunk's size beyond 64 bits": POST
    + b"transfer-encoding: chunked\r\n\r\n"
    + b"f" * 17
    + b"\r\n",
    "a chunk longer than its size": POST + b"transfer-encoding: chunked\r\n\r\n1\r\ncanary\r\n",
}
CODING = "header/transfer-encoding"
NAMED = {
    "no host": (b"GET / HTTP/1.1\r\nx: canary\r\n\r\n", "header/host"),
    "two hosts": (HEAD + b"host: canary\r\n\r\n", "header/host"),
    "no host's name": (b"GET / HTTP/1.1\r\nhost: u@canary\r\n\r\n", "header/host"),
    "a coding around chunks": (POST + b"transfer-encoding: gzip\r\n\r\n0\r\n\r\n", CODING),
    "chunks in HTTP/1.0": (
        b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        CODING,
    ),
    "another protocol's body": (
        POST + b"connection: upgrade\r\nupgrade: canary\r\ncontent-length: 20\r\n\r\n" + GET,
        "header/upgrade",
    ),
}


def assert_rejected(answer: Answer, status: int) -> None:
    """It is a problem that ends the connection, has what every answer has, and echoes nothing."""
    assert answer.status == status
    assert answer.problem["title"]
    assert answer.header("connection") == "close"
    assert answer.header("x-request-id")
    assert answer.header("date")
    assert answer.header("server") is None
    for name, value in security_headers():
        assert answer.header(name.decode()) == value.decode()
    assert b"canary" not in answer.body


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED)
def test_what_is_malformed_is_rejected(url: str, sent: bytes) -> None:
    [answer] = exchange(url, sent)
    assert_rejected(answer, 400)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"CANARY / HTTP/1.1\r\nhost: x\r\n\r\n", 501),
        (b"CONNECT canary:443 HTTP/1.1\r\nhost: x\r\n\r\n", 501),
        (POST + b"transfer-encoding: canary, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"GET / HTTP/2.0\r\nhost: x\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (HEAD + b"expect: canary\r\n\r\n", 417),
    ],
)
def test_what_is_not_implemented_is_rejected(url: str, sent: bytes, status: int) -> None:
    [answer] = exchange(url, sent)
    assert_rejected(answer, status)


@pytest.mark.parametrize(("sent", "field"), NAMED.values(), ids=NAMED)
def test_a_wrong_header_is_named(url: str, sent: bytes, field: str) -> None:
    [answer] = exchange(url, sent)
    assert_rejected(answer, 400)
    assert answer.fields == [field]


def test_what_cannot_be_parsed_because_of_its_coding_is_rejected(url: str) -> None:
    """The end of such a request is unknown."""
    [answer] = exchange(url, POST + b"transfer-encoding: xchunked\r\n\r\ncanary")
    assert_rejected(answer, 400)


def test_what_is_unusual_and_right_is_answered(url: str) -> None:
    absolute = b"GET http://elsewhere/ HTTP/1.1\r\nhost: elsewhere\r\n\r\n"
    no_path = b"GET http://elsewhere HTTP/1.1\r\nhost: elsewhere\r\n\r\n"
    everything = b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n"
    many = HEAD + b"x: \xff\r\nx: \xff\r\n\r\n"
    empty_lines = b"\r\n\r\n" + GET
    chunks = POST + b"transfer-encoding: Chunked\r\n\r\n1;a=b\r\n1\r\n0\r\nx: y\r\n\r\n"
    old = b"GET / HTTP/1.0\r\n\r\n"
    received = exchange(url, absolute, many, empty_lines, chunks, no_path, everything, old)
    assert [answer.status for answer in received] == [200] * 7
    assert received[3].body == b"1"
    assert received[6].header("connection") == "close"


def test_trailers_are_no_headers(url: str) -> None:
    head = b"POST /headers HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    with connect(url) as connection:
        send_all(connection, [head])
        send_all(connection, [b"0\r\nauthorization: canary\r\n\r\n", LAST])
        [answer, _] = answers(read_to_end(connection))
    assert answer.body.split() == [b"host", b"transfer-encoding"]


def test_an_upgrade_is_declined_and_ends_the_connection(url: str) -> None:
    upgrade = HEAD + b"connection: upgrade\r\nupgrade: h2c\r\n\r\n"
    [answer] = exchange(url, upgrade, GET)
    assert (answer.status, answer.header("connection")) == (200, "close")


def test_a_rejection_is_counted_and_logged_once_and_without_data(
    url: str, log: io.StringIO
) -> None:
    before = rejections()
    [answer] = exchange(url, b"canary\r\n\r\n", b"canary\r\n\r\n")
    wait_until(log.getvalue, "the line")
    assert rejections() == before + 1
    [line] = validated(log.getvalue().splitlines())
    assert line["event"] == "request rejected"
    assert (line["reason"], line["status"]) == ("malformed", 400)
    assert line["request_id"] == answer.header("x-request-id")
    assert "canary" not in log.getvalue()


def test_a_rejection_waits_for_the_answers_before_it(url: str) -> None:
    """Else the client would take it for the answer to another request."""
    received = exchange(url, GET + GET + b"canary\r\n\r\n" + GET)
    assert [answer.status for answer in received] == [200, 200, 400]


def test_a_body_that_breaks_off_spoils_no_other_answer(url: str) -> None:
    broken = POST + b"transfer-encoding: chunked\r\n\r\n1\r\n1\r\ncanary\r\n"
    assert [answer.status for answer in exchange(url, broken)] == [400]
    assert [answer.status for answer in exchange(url, GET + GET + broken)] == [200, 200, 400]


@pytest.mark.parametrize("more", [b"canary\r\n", b"1;" + b"a" * 1000], ids=["wrong", "endless"])
def test_an_answered_request_is_not_answered_again(url: str, more: bytes) -> None:
    early = b"POST /early HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    with connect(url) as connection:
        send_all(connection, [early])
        begun = connection.recv(1000)
        send_all(connection, [more] * 1000)
        assert [answer.status for answer in answers(begun + read_to_end(connection))] == [200]


@pytest.mark.parametrize("in_one_go", [True, False])
@pytest.mark.parametrize("what", ["one header", "many headers", "target"])
def test_a_head_may_have_so_many_bytes(what: str, in_one_go: bool) -> None:
    limit = 4096

    def head(size: int) -> bytes:
        """The empty line at the end is not counted."""
        if what == "target":
            line, rest = b"GET /?", LAST.removeprefix(b"GET /")
            return line + b"a" * (size + 2 - len(line + rest)) + rest
        lines = b"a: 1\r\n" * 200 if what == "many headers" else b""
        begin, end = LAST[:-2] + lines + b"a: ", b"\r\n\r\n"
        return begin + b"b" * (size + 2 - len(begin + end)) + end

    def ask(url: str, sent: bytes) -> int:
        size = len(sent) if in_one_go else 100
        pieces = [sent[start : start + size] for start in range(0, len(sent), size)]
        with connect(url) as connection:
            send_all(connection, pieces)
            [answer] = answers(read_to_end(connection))
        if answer.status != 200:
            assert_rejected(answer, 414 if what == "target" and len(sent) > limit + 100 else 431)
        return answer.status

    with serving(max_header_bytes=limit) as url:
        assert ask(url, head(limit)) == 200
        assert ask(url, head(limit + 1)) == 431
        assert ask(url, head(limit + 5000)) != 200


@pytest.mark.parametrize(
    ("begin", "more", "statuses"),
    [
        (b"", b"\r\n" * 500, [431]),
        (GET, b"\r\n" * 500, [200, 431]),
        (b"GET /", b"a" * 1000, [414]),
        (HEAD + b"a: ", b"b" * 1000, [431]),
        (HEAD + b"a:", b" " * 1000, [431]),
        (HEAD, b"a: b\r\n" * 100, [431]),
        (POST + b"transfer-encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n", b"a: b\r\n" * 100, [400]),
        (POST + b"transfer-encoding: chunked\r\n\r\n1\r\n1\r\n0\r\na: ", b"b" * 1000, [400]),
        (POST + b"transfer-encoding: chunked\r\n\r\n1;", b"a" * 1000, [400]),
    ],
    ids=lambda value: repr(value[-30:]) if isinstance(value, bytes) else None,
)
def test_what_has_no_end_is_ended(begin: bytes, more: bytes, statuses: list[int]) -> None:
    """Whatever brings a request no further is taken up to the limit of a head."""
    with serving(max_header_bytes=4096) as url, connect(url) as connection:
        send_all(connection, [begin])
        send_all(connection, [more] * 1000)
        received = answers(read_to_end(connection))
    assert [answer.status for answer in received] == statuses


def test_the_answer_to_a_body_nobody_wants_can_be_read(url: str) -> None:
    """A socket that is closed with bytes unread is reset, and what was still to be sent is lost."""
    head = (
        b"POST /early/long HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 9000000\r\n"
    )
    [answer] = exchange(url, head + b"\r\n", *[bytes(1000)] * 500)
    assert len(answer.body) == LONG


@pytest.mark.parametrize("sent", [b"G", HEAD, HEAD + b"a"], ids=["a byte", "a head", "a name"])
def test_a_slow_head_is_rejected(sent: bytes) -> None:
    with serving(header_seconds=0.3) as url:
        [answer] = exchange(url, sent)
        assert_rejected(answer, 408)
        with connect(url) as connection:  # not only the first request of a connection
            send_all(connection, [GET, sent])
            [_, answer] = answers(read_to_end(connection))
        assert_rejected(answer, 408)


def test_each_byte_of_a_slow_head_buys_no_time() -> None:
    with serving(header_seconds=0.5) as url, connect(url) as connection:
        began = time.monotonic()
        connection.settimeout(0.05)
        send_all(connection, [HEAD])
        received = b""
        while not received:
            assert time.monotonic() < began + 10
            send_all(connection, [b"a"])
            try:
                received = connection.recv(1000)
            except TimeoutError:
                continue
        connection.settimeout(20)
        assert_rejected(answers(received + read_to_end(connection))[0], 408)


def test_who_never_speaks_is_left_without_a_word() -> None:
    with serving(header_seconds=0.3) as url:
        assert exchange(url) == []


def test_who_waits_for_us_is_not_too_slow() -> None:
    """The next head has begun, and can't go on while the request before it is worked on."""
    with serving(slow_echo, header_seconds=0.2) as url, connect(url) as connection:
        send_all(connection, [GET, HEAD])
        first = connection.recv(1000)
        send_all(connection, [b"connection: close\r\n\r\n"])
        received = answers(first + read_to_end(connection))
    assert [answer.status for answer in received] == [200, 200]


async def slow_echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer later than a head may take."""
    if scope["type"] == "http":
        await asyncio.sleep(0.7)
    await echo(scope, receive, send)


def test_the_rest_of_a_body_nobody_reads_has_its_time() -> None:
    head = b"POST /early HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n"
    with serving(body_seconds=0.3) as url:
        assert [answer.status for answer in exchange(url, head)] == [200]


def test_who_reads_no_answer_is_cut_off() -> None:
    with serving(body_seconds=0.3) as url, connect(url) as connection:
        send_all(connection, [b"GET /long HTTP/1.1\r\nhost: x\r\n\r\n"])
        assert connection.recv(12) == b"HTTP/1.1 200"
        assert is_established(connection)
        wait_until(lambda: not is_established(connection), "the connection to be cut off")
        assert len(read_to_end(connection)) < LONG


def is_established(connection: socket.socket) -> bool:
    """Whether the other end, which is in this process too, still holds the connection."""
    ends = (connection.getpeername()[1], connection.getsockname()[1])
    wanted = [f"0100007F:{port:04X}" for port in ends]
    rows = Path("/proc/self/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return any(row.split()[1:3] == wanted and row.split()[3] == "01" for row in rows)


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (GET, [200]),
        (GET * 3, [200] * 3),
        (GET + HEAD, [200]),
        (GET + POST + b"content-length: 9\r\n\r\n123", [200]),
        (GET + b"GET / HTTP/3.0\r\nhost: x\r\n\r\n", [200, 505]),
        (POST + b"content-length: 3\r\n\r\n123", [200]),
        (POST + b"content-length: 9\r\n\r\n123", []),
        (HEAD, []),
        (b"", []),
    ],
)
def test_who_sends_no_more_gets_the_answers_to_what_came_whole(
    sent: bytes, statuses: list[int]
) -> None:
    """A client may close its way out and read on, as `nc -N` and some proxies do."""
    with serving(slow_echo) as url, connect(url) as connection:
        send_all(connection, [sent])
        connection.shutdown(socket.SHUT_WR)
        received = answers(read_to_end(connection))
    assert [answer.status for answer in received] == statuses


def test_a_client_that_leaves_with_requests_in_line_is_no_error_of_ours(log: io.StringIO) -> None:
    """uvicorn tells only the last of them that the client is gone."""
    began, answered = threading.Event(), threading.Event()

    async def answer_the_second_to_nobody(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") != "/second":
            await echo(scope, receive, send)
            return
        began.set()
        connection = cast("Any", receive).__self__.transport
        async with asyncio.timeout(10):
            while not connection.is_closing():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0)
        for _ in range(10):
            await asyncio.sleep(0)  # uvloop closes its handle in its next turns
        try:
            await echo(scope, receive, send)
        finally:
            answered.set()

    with serving(answer_the_second_to_nobody) as url:
        with connect(url) as connection:
            send_all(connection, [GET, b"GET /second HTTP/1.1\r\nhost: x\r\n\r\n", GET])
            assert began.wait(10)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert answered.wait(20)
    assert log.getvalue() == ""


def test_so_many_requests_wait_on_a_connection(url: str) -> None:
    allowed = 1 + MAX_PIPELINED
    received = exchange(url, GET * (allowed - 1) + LAST)
    assert [answer.status for answer in received] == [200] * allowed
    received = exchange(url, GET * 10_000)
    assert [answer.status for answer in received] == [200] * allowed + [429]
    assert_rejected(received[-1], 429)


def test_an_old_connection_is_ended() -> None:
    def statuses(connection: socket.socket) -> str | None:
        send_all(connection, [GET])
        [answer] = answers(connection.recv(1000))
        return answer.header("connection")

    with (
        serving(ConnectionCloseMiddleware(echo, Drain()), connection_max_age_seconds=1) as url,
        connect(url) as connection,
    ):
        began = time.monotonic()
        assert statuses(connection) is None
        wait_for(lambda: statuses(connection), "the end of the connection")
        assert time.monotonic() - began >= 0.75
        assert connection.recv(1) == b""
        with connect(url) as another:
            assert statuses(another) is None


def test_ages_are_spread() -> None:
    ages = sorted(expiry(100) - time.monotonic() for _ in range(1000))
    assert ages[0] == pytest.approx(75, abs=2)
    assert ages[-1] == pytest.approx(125, abs=2)
    assert ages[500] == pytest.approx(100, abs=5)


def test_draining_ends_connections() -> None:
    drain = Drain()
    with serving(ConnectionCloseMiddleware(echo, drain)) as url, connect(url) as connection:
        send_all(connection, [GET])
        assert answers(connection.recv(1000))[0].header("connection") is None
        drain.start()
        send_all(connection, [GET])
        assert answers(read_to_end(connection))[0].header("connection") == "close"


def test_any_cut_of_a_stream_gives_the_same_answers(url: str) -> None:
    stream = (
        GET
        + POST
        + b"content-length: 5\r\n\r\nhello"
        + POST
        + b"transfer-encoding: chunked\r\n\r\n5\r\nworld\r\n0\r\nx: y\r\n\r\n"
        + LAST
    )
    whole = [(answer.status, answer.body) for answer in exchange(url, stream)]
    assert whole == [(200, b""), (200, b"hello"), (200, b"world"), (200, b"")]
    drawn = random.Random(5)  # noqa: S311 - no secret
    for _ in range(50):
        cuts = sorted(drawn.sample(range(1, len(stream)), 6))
        pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
        assert [(answer.status, answer.body) for answer in exchange(url, *pieces)] == whole


OVERRIDDEN = (
    "connection_made",
    "connection_lost",
    "data_received",
    "on_message_begin",
    "on_header",
    "_should_upgrade",
    "_get_upgrade",
    "on_headers_complete",
    "on_body",
    "on_message_complete",
    "on_response_complete",
    "pause_writing",
    "resume_writing",
    "shutdown",
    "_unset_keepalive_if_required",
)
KNOWN = "0b45a49765c7c4d8"


def test_uvicorn_is_the_one_that_was_read() -> None:
    """What is overridden and relied upon is private: each change of it must be looked at."""
    theirs = httptools_impl.HttpToolsProtocol
    assert issubclass(LimitedProtocol, theirs)
    parts = [inspect.getsource(getattr(theirs, name)) for name in OVERRIDDEN]
    parts.append(inspect.getsource(httptools_impl.RequestResponseCycle))
    digest = hashlib.sha256("".join(parts).encode()).hexdigest()[:16]
    assert digest == KNOWN, (
        "uvicorn's HTTP protocol has changed. Compare it with the version before, see whether "
        f"bookstore_api/web/server/protocol.py still does what it says, and write {digest!r} here."
    )
