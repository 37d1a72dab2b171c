"""Bodies that are too large, too slow or never end, sent byte by byte to real servers."""

import contextlib
import json
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from bookstore_api.settings import Settings
from bookstore_api.shop.catalog.isbn import make_isbn
from bookstore_api.web.middleware import body_limit
from tests.support.bookstore import app_of, served
from tests.support.raw import Answer, connect, read_answer

BOOKS = "/api/v1/books"
LIMIT = 2048
HEAD = f"POST {BOOKS} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


@contextmanager
def limited(settings: Settings, **changes: object) -> Iterator[httpx.Client]:
    update = {"max_body_bytes": LIMIT, **changes}
    with served(app_of(settings.model_copy(update=update))) as client:
        yield client


def body(size: int) -> bytes:
    """A book whose JSON has this size."""
    book = {
        "isbn": make_isbn(1),
        "title": "A",
        "authors": ["B"],
        "price": {"amount": "1", "currency": "EUR"},
    }
    return json.dumps(book).encode().ljust(size)


def assert_problem(answer: Answer, status: int) -> None:
    assert answer.problem["status"] == status
    assert answer.header("connection") == "close"
    assert answer.header("x-frame-options") == "DENY"


def test_the_limit_itself_is_taken_and_one_byte_more_is_not(sqlite_settings: Settings) -> None:
    with limited(sqlite_settings) as client:
        headers = {"content-type": "application/json"}
        assert client.post(BOOKS, content=body(LIMIT), headers=headers).status_code == 201
        rejected = client.post(BOOKS, content=body(LIMIT + 1), headers=headers)
        assert rejected.status_code == 413
        assert rejected.headers["connection"] == "close"
        chunks = (body(LIMIT + 1)[place : place + 100] for place in range(0, LIMIT + 1, 100))
        assert client.post(BOOKS, content=chunks, headers=headers).status_code == 413
        assert client.get(BOOKS).status_code == 200


def test_a_length_that_is_too_large_is_rejected_before_a_byte_is_sent(
    sqlite_settings: Settings,
) -> None:
    with limited(sqlite_settings) as client, connect(str(client.base_url)) as connection:
        connection.sendall(f"{HEAD}content-length: 99999999999\r\n\r\n".encode())
        assert_problem(read_answer(connection), 413)


def test_who_waits_for_permission_is_not_told_to_send(sqlite_settings: Settings) -> None:
    expecting = f"{HEAD}expect: 100-continue\r\ncontent-length: "
    with limited(sqlite_settings) as client, connect(str(client.base_url)) as connection:
        connection.sendall(f"{expecting}99999\r\n\r\n".encode())
        assert_problem(read_answer(connection), 413)
    with limited(sqlite_settings) as client, connect(str(client.base_url)) as connection:
        connection.sendall(f"{expecting}{LIMIT}\r\n\r\n".encode())
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body(LIMIT))
        assert connection.recv(1000).startswith(b"HTTP/1.1 201 ")


def test_chunks_without_end_are_not_kept(sqlite_settings: Settings) -> None:
    """Far more is sent than the limit; the server's memory does not grow with it."""
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    with limited(sqlite_settings) as client, connect(str(client.base_url)) as connection:
        tracemalloc.start()
        try:
            connection.sendall(f"{HEAD}transfer-encoding: chunked\r\n\r\n".encode())
            with contextlib.suppress(ConnectionError):  # the server need not listen to all of it
                for _ in range(200):  # 13 MB
                    connection.sendall(chunk)
            assert client.get(BOOKS).status_code == 200
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 4 * 1024 * 1024


@pytest.mark.parametrize("framing", ["content-length: 100", "transfer-encoding: chunked"])
def test_a_body_that_does_not_arrive_is_given_up(sqlite_settings: Settings, framing: str) -> None:
    with (
        limited(sqlite_settings, body_seconds=0.3) as client,
        connect(str(client.base_url)) as connection,
    ):
        connection.sendall(f"{HEAD}{framing}\r\n\r\n".encode())
        assert_problem(read_answer(connection), 408)


def test_a_body_in_which_nothing_arrives_is_given_up_sooner(
    sqlite_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_limit, "STALL_SECONDS", 0.3)
    with (
        limited(sqlite_settings, body_seconds=300) as client,
        connect(str(client.base_url)) as connection,
    ):
        connection.sendall(f"{HEAD}content-length: 100\r\n\r\n{{".encode())
        assert_problem(read_answer(connection), 408)


Ask = Callable[[httpx.Client], httpx.Response]


@pytest.mark.parametrize(
    ("ask", "status"),
    [
        (lambda client: client.post("/nothing", content=body(LIMIT)), 404),
        (lambda client: client.put(BOOKS, content=body(LIMIT)), 405),
        (lambda client: client.request("GET", BOOKS, content=body(LIMIT)), 200),
    ],
)
def test_a_body_that_nobody_reads_is_not_taken_for_another_request(
    sqlite_settings: Settings, ask: Ask, status: int
) -> None:
    with limited(sqlite_settings) as client:
        for _ in range(3):
            assert ask(client).status_code == status
            assert client.get(BOOKS).status_code == 200
