"""Which other sites' pages may call, by a real server."""

import httpx
import pytest

from bookstore_api.settings import Settings
from bookstore_api.web.middleware.cors import ALLOWED_HEADERS, ALLOWED_METHODS, EXPOSED_HEADERS
from tests.support.bookstore import app_of, served

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
