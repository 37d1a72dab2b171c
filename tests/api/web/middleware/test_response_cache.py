"""Cached answers as clients see them: real servers, a real Redis, two processes of two releases."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from bookstore_api.cache.store import JOIN_SECONDS, PREFIX
from bookstore_api.settings import Settings
from bookstore_api.shop.catalog.domain import CACHED
from bookstore_api.shop.catalog.isbn import make_isbn
from bookstore_api.shop.domains import DOMAINS
from bookstore_api.telemetry.metrics import REGISTRY
from bookstore_api.web.cached_routes import CachedRoutes
from tests.support.bookstore import StartProcess, app_of, execute, served, wait_for, wait_until
from tests.support.valkey import Valkey

BOOKS = "/api/v1/books"
ROOT = Path(__file__).parents[4]
LOCAL_SECONDS = 1.0


@contextmanager
def cached(settings: Settings, valkey: Valkey, **changes: Any) -> Iterator[httpx.Client]:
    """Serve the API with a cache, when it has begun to use Redis."""
    update = {"redis_url": valkey.url, "redis_timeout_seconds": 10, **changes}
    changed = Settings.model_validate({**settings.model_dump(), **update})
    with served(app_of(changed)) as client:
        client.get(f"{BOOKS}?name=unknown")

        def used() -> bool:
            with valkey.client() as redis:
                return bool(redis.exists(f"{PREFIX}tag:all"))

        wait_until(used, "the cache to be used")
        yield client


def create(client: httpx.Client, number: int = 1) -> str:
    """Create a book; its path."""
    body = {
        "isbn": make_isbn(number),
        "title": f"Volume {number}",
        "authors": ["Ursula K. Le Guin"],
        "price": {"amount": "9.90", "currency": "EUR"},
    }
    answer = client.post(BOOKS, json=body)
    assert answer.status_code == 201, answer.text
    path: str = answer.headers["location"]
    return path


def outcomes() -> dict[str, float]:
    name = "bookstore_response_cache_requests_total"
    return {
        outcome: REGISTRY.get_sample_value(name, {"outcome": outcome}) or 0.0
        for outcome in ("local", "shared", "joined", "miss")
    }


def loads_of(client: httpx.Client, *paths: str, **options: Any) -> float:
    """Ask for all; how many answers had to be computed."""
    before = outcomes()["miss"]
    for path in paths:
        assert client.get(path, **options).status_code == 200
    return outcomes()["miss"] - before


@pytest.fixture
def client(settings: Settings, valkey: Valkey) -> Iterator[httpx.Client]:
    with cached(settings, valkey, cache_local_seconds=2) as client:
        yield client


def test_hits_and_304_ask_the_database_nothing(url: str, client: httpx.Client) -> None:
    path = create(client)
    paths = (path, BOOKS, f"{BOOKS}?limit=1")
    first = [client.get(each) for each in paths]
    execute(url, "ALTER TABLE books RENAME TO moved")
    for before, each in zip(first, paths, strict=True):
        hit = client.get(each)
        assert (hit.status_code, hit.content) == (200, before.content)
        own = {"date", "x-request-id"}
        assert hit.headers.items() - before.headers.items() <= {
            (name, value) for name, value in hit.headers.items() if name in own
        }
        unchanged = client.get(each, headers={"if-none-match": before.headers["etag"]})
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        other = client.get(each, headers={"if-match": '"9"'})
        assert other.status_code == 412
    assert first[0].headers["etag"] == '"1"'


def test_a_write_is_seen_at_once_where_it_was_made(client: httpx.Client) -> None:
    path, other = create(client), create(client, 2)
    for each in (path, other, BOOKS, "/api/v1/authors"):
        client.get(each)
    assert client.patch(path, json={"title": "Another"}).status_code == 200
    assert client.get(path).json()["title"] == "Another"
    assert "Another" in client.get(BOOKS).text
    author = client.get("/api/v1/authors").json()["items"][0]
    renamed = client.patch(
        f"/api/v1/authors/{author['id']}", json={"name": "U. Le Guin"}, headers={"if-match": "*"}
    )
    assert renamed.status_code == 200
    assert client.get(other).json()["authors"] == ["U. Le Guin"]
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    assert "Another" not in client.get(BOOKS).text
    assert client.post(f"{path}/restore").status_code == 200
    assert client.get(path).json()["title"] == "Another"
    assert client.delete(path).status_code == 204
    assert client.delete(other).status_code == 204
    assert "U. Le Guin" not in client.get("/api/v1/authors").text


def test_a_change_of_one_book_leaves_the_others_cached(client: httpx.Client) -> None:
    path, other = create(client), create(client, 2)
    assert loads_of(client, path, other, BOOKS) == 3
    client.patch(path, json={"title": "Another"})
    assert loads_of(client, other) == 0
    assert loads_of(client, path, BOOKS) == 2
    client.patch(path, json={"title": ""})  # rejected: nothing was changed
    assert loads_of(client, path, other, BOOKS) == 0


def test_errors_are_not_cached(url: str, client: httpx.Client) -> None:
    absent = f"{BOOKS}/00000000-0000-7000-8000-000000000000"
    assert client.get(absent).status_code == 404
    assert client.get(f"{BOOKS}?limit=0").status_code == 422
    execute(url, "ALTER TABLE books RENAME TO moved")
    assert client.get(absent).status_code >= 500
    assert client.get(BOOKS).status_code >= 500
    execute(url, "ALTER TABLE moved RENAME TO books")
    assert client.get(BOOKS).status_code == 200


def test_one_entry_for_one_query_in_any_order(client: httpx.Client) -> None:
    create(client)
    assert loads_of(client, f"{BOOKS}?limit=5&sort=title", f"{BOOKS}?sort=title&limit=5") == 1
    for query in ("limit=5&limit=5", "limit=5&colour=blue", "%6Cimit=x"):
        assert client.get(f"{BOOKS}?{query}").status_code == 422
    assert loads_of(client, f"{BOOKS}?sort=title&limit=6") == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer somebody"},
        {"cookie": "a=b"},
        {"cache-control": "no-cache"},
        {"content-length": "0"},
    ],
)
def test_who_shows_something_of_their_own_is_not_answered_from_the_cache(
    url: str, client: httpx.Client, headers: dict[str, str]
) -> None:
    path = create(client)
    assert client.get(path).status_code == 200
    execute(url, "ALTER TABLE books RENAME TO moved")
    assert client.get(path).status_code == 200
    assert client.get(path, headers=headers).status_code >= 500


def test_what_is_of_one_request_is_never_anothers(settings: Settings, valkey: Valkey) -> None:
    """Anonymous clients, two origins and two users, mixed."""
    origins = ("https://one.example", "https://two.example")
    changes = {"cors_origins": ",".join(origins), "rate_limit_reads": "1000/hour"}
    with cached(settings, valkey, **changes) as client:
        path = create(client)
        ids, left = set(), []
        for number in range(20):
            origin = (*origins, None)[number % 3]
            headers = {"x-request-id": f"request-{number}"}
            headers |= {"origin": origin} if origin else {}
            headers |= {"authorization": f"Bearer user-{number % 2}"} if number % 5 == 4 else {}
            answer = client.get(path, headers=headers)
            assert answer.status_code == 200
            assert answer.headers.get("access-control-allow-origin") == origin
            assert answer.headers["vary"] == "Origin"
            assert answer.headers["cache-control"] == "no-store"
            ids.add(answer.headers["x-request-id"])
            left.append(int(answer.headers["ratelimit"].split(";r=")[1].split(";")[0]))
        assert ids == {f"request-{number}" for number in range(20)}
        assert left == sorted(set(left), reverse=True)


def test_every_hit_is_logged_and_counted_by_its_route(
    start: StartProcess, sqlite_settings: Settings, valkey: Valkey
) -> None:
    process = start(
        sqlite_settings.database_uri(), redis_url=valkey.url, redis_timeout_seconds=10
    ).wait_until_ready()
    with httpx.Client(base_url=process.url) as client:
        path = create(client)
        for number in range(5):
            client.get(path, headers={"x-request-id": f"hit-{number}"})
    lines = wait_for(
        lambda: (
            [line for line in process.lines() if str(line.get("request_id", "")).startswith("hit-")]
            or None
        ),
        "the lines",
    )
    assert {line["route"] for line in lines} == {f"{BOOKS}/{{book_id}}"}
    page = process.internal("/metrics").text
    counted = (
        'bookstore_http_requests_total{method="GET",route="/api/v1/books/{book_id}",status="200"} 5'
    )
    assert counted in page


@pytest.mark.invariant
def test_two_releases_in_two_processes_see_each_others_writes_in_time(
    start: StartProcess, url: str, valkey: Valkey
) -> None:
    """The stated maximum: a process answers from its own copy for LOCAL_SECONDS, no longer."""
    colors = [
        start(
            url,
            redis_url=valkey.url,
            redis_timeout_seconds=10,
            revision=str(number),
            cache_local_seconds=LOCAL_SECONDS,
        )
        for number in (1, 2)
    ]
    blue, green = (
        httpx.Client(base_url=process.wait_until_ready().url, timeout=20) for process in colors
    )
    with blue, green:
        path = create(blue)
        for number in range(3):
            for client, revision in ((blue, "1"), (green, "2")):
                assert client.get(path).headers["bookstore-revision"] == revision
            title = f"Title {number}"
            writer, reader = ((blue, green), (green, blue))[number % 2]
            assert writer.patch(path, json={"title": title}).status_code == 200
            changed = time.monotonic()
            assert writer.get(path).json()["title"] == title
            while True:
                asked = time.monotonic()
                if reader.get(path).json()["title"] == title:
                    break
                assert asked - changed < LOCAL_SECONDS


def test_concurrent_misses_are_one_load(client: httpx.Client) -> None:
    """On a machine so slow that the load takes a second, one more a second."""
    path = create(client)
    before, began = outcomes(), time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: client.get(path), range(60)))
    assert {answer.status_code for answer in answers} == {200}
    loads = outcomes()["miss"] - before["miss"]
    assert 1 <= loads <= 1 + (time.monotonic() - began) / JOIN_SECONDS


def test_without_redis_or_with_zero_seconds_there_is_no_cache(
    sqlite_settings: Settings, valkey: Valkey
) -> None:
    for changes in ({}, {"redis_url": valkey.url, "cache_seconds": 0}):
        settings = Settings.model_validate({**sqlite_settings.model_dump(), **changes})
        names = [getattr(layer.cls, "__name__", "") for layer in app_of(settings).user_middleware]
        assert "ResponseCacheMiddleware" not in names


def test_the_parameters_of_cached_lists_are_those_of_their_routes() -> None:
    routes = {
        route.path: route
        for domain in DOMAINS
        for route in domain.router.routes
        if isinstance(route, APIRoute) and route.methods == {"GET"}
    }
    for collection in CACHED:
        fields = routes[collection.path].dependant
        names = {field.alias for field in fields.query_params}
        for dependency in fields.dependencies:
            names |= {field.alias for field in dependency.query_params}
            for inner in dependency.dependencies:
                names |= {field.alias for field in inner.query_params}
        assert collection.parameters == names
        assert any(path.startswith(f"{collection.path}/{{") for path in routes)


def test_every_write_of_a_domain_with_cached_routes_invalidates() -> None:
    routes = CachedRoutes(CACHED)
    id_ = "0198f2a4-0000-7000-8000-000000000001"
    for domain in (domain for domain in DOMAINS if domain.cached):
        for route in domain.router.routes:
            if isinstance(route, APIRoute) and not {"GET", "HEAD"} & (route.methods or set()):
                path = route.path
                while "{" in path:
                    path = f"{path.partition('{')[0]}{id_}{path.partition('}')[2]}"
                assert routes.changed_by({"type": "http", "path": path}), route.path


def test_nobody_but_the_store_touches_its_keys() -> None:
    package = ROOT / "api" / "bookstore_api"
    naming = {
        str(file.relative_to(package))
        for file in package.rglob("*.py")
        if "bookstore:{cache}" in file.read_text() or "store.invalidate(" in file.read_text()
    }
    assert naming == {"cache/store.py", "cache/answers.py", "web/middleware/response_cache.py"}
