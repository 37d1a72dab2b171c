"""Errors are problems that say what to do, and repeat nothing that was sent."""

import httpx
import pytest

from bookstore_api.settings import Settings
from tests.support.bookstore import app_of, execute, served

BOOKS = "/api/v1/books"
CANARY = "canary-2b9d"


def detail(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["type"], body["status"]) == ("about:blank", status)
    assert CANARY not in answer.text
    return str(body["detail"])


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", f"application/{CANARY}", "application/x-json", "json", ";"]
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_body_of_another_type_is_not_guessed_at(
    sqlite_settings: Settings, method: str, content_type: str | None
) -> None:
    path = BOOKS if method == "POST" else f"{BOOKS}/00000000-0000-7000-8000-000000000000"
    headers = {} if content_type is None else {"content-type": content_type}
    with served(app_of(sqlite_settings)) as client:
        answer = client.request(method, path, content=b'{"title": "A"}', headers=headers)
        assert "application/json" in detail(answer, 415)
        typed = client.request(
            method, path, content=b"[]", headers={"content-type": "Application/JSON; charset=utf-8"}
        )
        detail(typed, 422)
        detail(client.request(method, path), 422)


def test_each_error_says_what_to_do(sqlite_settings: Settings) -> None:
    headers = {"content-type": "application/json"}
    with served(app_of(sqlite_settings)) as client:
        assert "nothing" in detail(client.get(f"/{CANARY}"), 404)
        assert "Allow" in detail(client.put(BOOKS), 405)
        detail(client.post(BOOKS, content=b'"\xff"', headers=headers), 422)


@pytest.mark.parametrize("debug", [False, True])
def test_a_fault_tells_its_kind_in_debug_mode_only(sqlite_settings: Settings, debug: bool) -> None:
    execute(sqlite_settings.database_uri(), "DROP TABLE books")
    settings = sqlite_settings.model_copy(update={"debug": debug})
    with served(app_of(settings)) as client:
        text = detail(client.get(BOOKS, params={"isbn": "9780132350884"}), 500)
        assert ("OperationalError" in text) == debug
        assert "X-Request-ID" in text
        assert "books" not in text
