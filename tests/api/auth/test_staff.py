"""Who may write: with the staff token, compared, rotated, counted and logged, by a real server."""

import json
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from bookstore_api.auth.staff import Attempt
from bookstore_api.settings import Environment, Settings
from bookstore_api.shop.catalog.isbn import make_isbn
from bookstore_api.telemetry.metrics import REGISTRY
from bookstore_api.telemetry.pseudonyms import pseudonym
from tests.support.bookstore import Process, app_of, environment, run_command, served, wait_for
from tests.support.log_lines import logging_to, validated

BOOKS = "/api/v1/books"
TOKEN = "canary-right-0123456789abcdef0123456789abcdef"
WRONG = "canary-wrong-0123456789abcdef0123456789abcdef"
OPEN_EVENT = "writes are open to everybody: no staff token is set"
CHALLENGE = 'Bearer realm="bookstore"'
BOOK = {
    "isbn": make_isbn(1),
    "title": "A",
    "authors": ["B"],
    "price": {"amount": "1", "currency": "EUR"},
}


def mount(folder: Path, token: str) -> Path:
    path = folder / "staff" / "token"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(token + "\n", encoding="utf-8")
    return path


@contextmanager
def guarded(settings: Settings, **changes: object) -> Iterator[httpx.Client]:
    with served(app_of(settings.model_copy(update=changes))) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def attempts() -> dict[str, float]:
    """How often each outcome was counted."""
    name = "bookstore_staff_attempts_total"
    return {
        attempt: REGISTRY.get_sample_value(name, {"outcome": attempt}) or 0.0 for attempt in Attempt
    }


def assert_rejected(answer: httpx.Response, challenge: str = CHALLENGE) -> None:
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == challenge
    assert "canary" not in answer.text


def test_writes_take_the_token_and_reads_do_not(sqlite_settings: Settings, tmp_path: Path) -> None:
    mount(tmp_path, TOKEN)
    with guarded(sqlite_settings, secrets_dir=tmp_path) as client:
        created = client.post(BOOKS, json=BOOK, headers=bearer(TOKEN))
        assert created.status_code == 201
        path = created.headers["location"]
        for answer in (
            client.post(BOOKS, json=BOOK),
            client.patch(path, json={}),
            client.delete(path),
        ):
            assert_rejected(answer)
        assert client.get(path).status_code == client.get(BOOKS).status_code == 200
        assert client.patch(path, json={}, headers=bearer(TOKEN)).status_code == 200
        assert client.delete(path, headers={"authorization": f"bearer  {TOKEN}"}).status_code == 204


@pytest.mark.parametrize(
    ("headers", "challenge"),
    [
        (bearer(WRONG), f'{CHALLENGE}, error="invalid_token"'),
        (bearer(TOKEN[:-1]), f'{CHALLENGE}, error="invalid_token"'),
        (bearer(TOKEN + "0"), f'{CHALLENGE}, error="invalid_token"'),
        ({"authorization": f"Basic {TOKEN}"}, CHALLENGE),
        ({"authorization": TOKEN}, CHALLENGE),
        ({"authorization": "Bearer"}, CHALLENGE),
        ({"authorization": ""}, CHALLENGE),
        (bearer("x" * 5000), CHALLENGE),
        ([("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer x")], CHALLENGE),
        ({b"authorization": b"Bearer \xff\xfe"}, f'{CHALLENGE}, error="invalid_token"'),
    ],
)
def test_nothing_but_the_token_will_do(
    sqlite_settings: Settings, tmp_path: Path, headers: Any, challenge: str
) -> None:
    mount(tmp_path, TOKEN)
    with guarded(sqlite_settings, secrets_dir=tmp_path) as client:
        assert_rejected(client.post(BOOKS, json=BOOK, headers=headers), challenge)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", BOOKS, (b"{", "application/json")),
        ("POST", BOOKS, (b"{}", "application/json")),
        ("POST", BOOKS, (b"\xff", "application/json")),
        ("POST", BOOKS, (b"<xml/>", "text/xml")),
        ("PATCH", f"{BOOKS}/no-id", (b"[", "application/json")),
        ("DELETE", f"{BOOKS}/no-id", (b"", "text/plain")),
    ],
)
def test_who_has_no_token_is_not_told_what_else_is_wrong(
    sqlite_settings: Settings,
    tmp_path: Path,
    method: str,
    path: str,
    body: tuple[bytes, str],
) -> None:
    content, content_type = body
    mount(tmp_path, TOKEN)
    with guarded(sqlite_settings, secrets_dir=tmp_path) as client:
        headers = {"content-type": content_type}
        assert_rejected(client.request(method, path, content=content, headers=headers))
        answer = client.request(method, path, content=content, headers={**headers, **bearer(TOKEN)})
        assert answer.status_code in {415, 422}


def test_who_has_no_token_is_answered_before_the_body_is_there(
    sqlite_settings: Settings, tmp_path: Path
) -> None:
    mount(tmp_path, TOKEN)
    head = f"POST {BOOKS} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    with guarded(sqlite_settings, secrets_dir=tmp_path) as client:
        url = client.base_url
        with socket.create_connection((url.host, url.port or 80), timeout=20) as connection:
            connection.sendall(f"{head}content-length: 100\r\n\r\n".encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 401 ")


def test_a_rotated_token_needs_no_restart(sqlite_settings: Settings, tmp_path: Path) -> None:
    mount(tmp_path, TOKEN)
    with guarded(sqlite_settings, secrets_dir=tmp_path) as client:
        path = f"{BOOKS}/no-id"
        assert client.delete(path, headers=bearer(TOKEN)).status_code == 422
        mount(tmp_path, WRONG)
        assert client.delete(path, headers=bearer(TOKEN)).status_code == 401
        assert client.delete(path, headers=bearer(WRONG)).status_code == 422


def test_a_token_that_can_not_be_read_lets_nobody_in(
    sqlite_settings: Settings, tmp_path: Path
) -> None:
    secret = mount(tmp_path, TOKEN)
    with guarded(sqlite_settings, secrets_dir=tmp_path) as client:
        secret.unlink()
        secret.mkdir()
        answer = client.post(BOOKS, json=BOOK, headers=bearer(TOKEN))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert str(tmp_path) not in answer.text


def test_a_token_file_that_hangs_stops_no_other_request(
    sqlite_settings: Settings, tmp_path: Path
) -> None:
    secret = tmp_path / "staff" / "token"
    secret.parent.mkdir()
    os.mkfifo(secret)  # opening it to read hangs until somebody opens it to write
    with guarded(sqlite_settings, secrets_dir=tmp_path) as client, ThreadPoolExecutor(1) as pool:
        write = pool.submit(client.post, BOOKS, json=BOOK, headers=bearer(TOKEN))
        try:
            writer = wait_for(lambda: open_if_read(secret), "the token to be read")
            assert client.get(BOOKS).status_code == 200
            assert not write.done()
        finally:
            os.write(writer, TOKEN.encode())
            os.close(writer)
        assert write.result(20).status_code == 201


def open_if_read(fifo: Path) -> int | None:
    """Open a FIFO to write if somebody waits to read it."""
    with suppress(OSError):
        return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    return None


def test_only_development_is_open_without_a_token(sqlite_settings: Settings) -> None:
    with guarded(sqlite_settings) as client:
        assert client.post(BOOKS, json=BOOK).status_code == 201
        assert client.delete(f"{BOOKS}/no-id", headers=bearer(WRONG)).status_code == 422
    for environment_ in (Environment.STAGING, Environment.PRODUCTION):
        with guarded(sqlite_settings, environment=environment_) as client:
            assert_rejected(client.post(BOOKS, json=BOOK))
            for token in ("x", "Bearer", WRONG):
                assert client.post(BOOKS, json=BOOK, headers=bearer(token)).status_code == 401


def test_every_attempt_is_counted_and_logged_without_the_token(
    sqlite_settings: Settings, tmp_path: Path
) -> None:
    mount(tmp_path, TOKEN)
    tried: list[tuple[dict[str, str], Attempt]] = [
        (bearer(TOKEN), Attempt.ACCEPTED),
        (bearer(WRONG), Attempt.REJECTED),
        ({}, Attempt.MISSING),
        ({"authorization": f"Basic {WRONG}"}, Attempt.MALFORMED),
    ]
    before = attempts()
    with (
        logging_to() as stream,
        guarded(sqlite_settings, secrets_dir=tmp_path) as client,
    ):
        for headers, _ in tried:
            client.delete(f"{BOOKS}/no-id", headers=headers)
    after = attempts()
    expected = {outcome for _, outcome in tried}
    assert {attempt for attempt in Attempt if after[attempt] == before[attempt] + 1} == expected
    lines = validated(stream.getvalue().splitlines())
    logged = [line for line in lines if line["event"] == "staff token"]
    assert [(line["outcome"], line.get("token"), line["level"]) for line in logged] == [
        ("accepted", pseudonym(TOKEN), "info"),
        ("rejected", pseudonym(WRONG), "warning"),
        ("missing", None, "warning"),
        ("malformed", None, "warning"),
    ]
    assert "canary" not in stream.getvalue()


def test_every_route_that_writes_asks(sqlite_settings: Settings) -> None:
    app = app_of(sqlite_settings)
    description = app.openapi()
    assert description["components"]["securitySchemes"]["staffToken"]["scheme"] == "bearer"
    operations = [
        (method, operation)
        for path, operations in description["paths"].items()
        for method, operation in operations.items()
        if path.startswith(BOOKS)  # of all others: test_authorization.py
    ]
    methods = {method for method, _ in operations}
    assert methods == {"get", "head", "post", "put", "patch", "delete"}
    for method, operation in operations:
        writes = method not in {"get", "head"}
        assert ("security" in operation) == ("401" in operation["responses"]) == writes
        assert "429" in operation["responses"]


def test_the_smoke_test_shows_the_token(
    start: Callable[..., Process], sqlite_settings: Settings, tmp_path: Path
) -> None:
    database = sqlite_settings.database_uri()
    process = start(database, staff_token=TOKEN).wait_until_ready()
    arguments = ("smoke", "--url", process.url)
    with_token = environment(None, tmp_path, staff_token=TOKEN)
    assert run_command(*arguments, env=with_token, cwd=tmp_path).outcome["code"] == "passed"
    ended = run_command(*arguments, env=environment(None, tmp_path), cwd=tmp_path)
    assert (ended.code, ended.outcome["code"]) == (1, "failed")
    assert "staff token" in ended.outcome["message"]
    assert TOKEN not in json.dumps(process.lines()) + ended.output + ended.errors
    assert OPEN_EVENT not in {line["event"] for line in process.lines()}


def test_the_log_warns_where_anybody_may_write(
    start: Callable[..., Process], sqlite_settings: Settings
) -> None:
    process = start(sqlite_settings.database_uri()).wait_until_serving()
    levels = {line["event"]: line["level"] for line in process.lines()}
    assert levels[OPEN_EVENT] == "warning"
