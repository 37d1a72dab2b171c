"""Which other sites' pages may call, by a real server."""

import httpx
import pytest

from bookstore_api.settings import Settings
from bookstore_api.web.middleware.cors import ALLOWED_HEADERS, ALLOWED_METHODS, EXPOSED_HEADERS
from tests.support.bookstore import app_of, served
from tests.support.raw import exchange

SHOP, FOREIGN = "https://shop.example.com", "https://evil.example.com"
BOOKS = "/api/v1/books"


def preflight(client: httpx.Client, origin: str, path: str = BOOKS) -> httpx.Response:
    headers = {"origin": origin, "access-control-request-method": "POST"}
    return client.options(path, headers=headers)


def access(answer: httpx.Response) -> dict[str, str]:
    """The CORS headers, and Vary for caches."""
    return {
        name.removeprefix("access-control-"): value
        for name, value in answer.headers.items()
        if name.startswith("access-control-") or name == "vary"
    }


def with_origins(settings: Settings, *origins: str) -> Settings:
    return settings.model_copy(update={"cors_origins": origins})


def test_a_listed_origin_may_read_and_ask(sqlite_settings: Settings) -> None:
    with served(app_of(with_origins(sqlite_settings, SHOP, "http://localhost:3000"))) as client:
        for path, status in ((BOOKS, 200), ("/nothing", 404), (f"{BOOKS}?limit=0", 422)):
            answer = client.get(path, headers={"origin": SHOP})
            assert answer.status_code == status
            assert access(answer) == {
                "allow-origin": SHOP,
                "expose-headers": EXPOSED_HEADERS,
                "vary": "Origin",
            }
        allowed = preflight(client, "http://localhost:3000", "/anything")
        assert (allowed.status_code, allowed.content) == (204, b"")
        assert access(allowed) == {
            "allow-origin": "http://localhost:3000",
            "allow-methods": ALLOWED_METHODS,
            "allow-headers": ALLOWED_HEADERS,
            "expose-headers": EXPOSED_HEADERS,
            "max-age": "600",
            "vary": "Origin",
        }


def test_a_page_may_read_why_any_request_was_rejected(sqlite_settings: Settings) -> None:
    """It sees a network error where an answer has no CORS headers: also an early one."""
    settings = with_origins(sqlite_settings, SHOP).model_copy(
        update={"max_header_bytes": 4096, "header_seconds": 0.2, "body_seconds": 0.2}
    )
    json = "content-type: application/json\r\n"
    head = f"host: x\r\norigin: {SHOP}\r\n"
    requests = {
        400: f"GET / HTTP/1.1\r\n{head}a : b\r\n\r\n",
        404: f"GET /nothing HTTP/1.1\r\n{head}connection: close\r\n\r\n",
        405: f"PUT {BOOKS} HTTP/1.1\r\n{head}connection: close\r\n\r\n",
        408: f"POST {BOOKS} HTTP/1.1\r\n{head}{json}content-length: 9\r\n\r\n{{",
        413: f"POST {BOOKS} HTTP/1.1\r\n{head}{json}content-length: 99999999\r\n\r\n",
        414: f"GET /{'a' * 5000} HTTP/1.1\r\n{head}\r\n",
        415: f"POST {BOOKS} HTTP/1.1\r\n{head}connection: close\r\ncontent-length: 1\r\n\r\nx",
        417: f"POST {BOOKS} HTTP/1.1\r\n{head}expect: more\r\n\r\n",
        431: f"GET / HTTP/1.1\r\n{head}x: {'a' * 5000}\r\n\r\n",
        501: f"BREW / HTTP/1.1\r\n{head}\r\n",
        505: f"GET / HTTP/2.0\r\n{head}\r\n",
    }
    with served(app_of(settings), settings) as client:
        for status, sent in requests.items():
            (answer,) = exchange(str(client.base_url), sent.encode("ascii"))
            assert answer.status == status
            assert answer.header("access-control-allow-origin") == SHOP, status


@pytest.mark.parametrize(
    "origin",
    [FOREIGN, "null", SHOP + ".evil.example", SHOP.replace("https", "http"), SHOP + ":8443", "*"],
)
def test_any_other_may_not(sqlite_settings: Settings, origin: str) -> None:
    with served(app_of(with_origins(sqlite_settings, SHOP))) as client:
        answer = client.get(BOOKS, headers={"origin": origin})
        assert (answer.status_code, access(answer)) == (200, {"vary": "Origin"})
        rejected = preflight(client, origin)
        assert rejected.status_code == 403
        assert rejected.headers["content-type"] == "application/problem+json"
        assert access(rejected) == {"vary": "Origin"}
        assert origin == "*" or origin not in rejected.text
        assert access(client.get(BOOKS)) == {"vary": "Origin"}


def test_any_origin_may_where_that_is_set(sqlite_settings: Settings) -> None:
    with served(app_of(with_origins(sqlite_settings, "*"))) as client:
        answer = client.get(BOOKS, headers={"origin": FOREIGN})
        assert access(answer) == {"allow-origin": "*", "expose-headers": EXPOSED_HEADERS}
        assert access(client.get(BOOKS)) == {}
        assert preflight(client, FOREIGN).status_code == 204


def test_nothing_is_said_where_no_origin_is_set(sqlite_settings: Settings) -> None:
    with served(app_of(sqlite_settings)) as client:
        assert access(client.get(BOOKS, headers={"origin": SHOP})) == {}
        for answer in (preflight(client, SHOP), client.options(BOOKS)):
            assert (answer.status_code, access(answer)) == (204, {})
            assert answer.headers["allow"] == "GET, HEAD, POST, OPTIONS"
