"""The goals of `make bench-api`, each a function that measures it and returns its rows."""

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx

from tests.bench.http import lists, processes
from tests.bench.http.data import book_path, drawn_paths
from tests.bench.http.load import Job
from tests.bench.http.peers import REDIS_KEY
from tests.bench.http.report import Row
from tests.bench.http.rounds import Side
from tests.bench.http.servers import Clients, Server, clients, request
from tests.bench.http.world import World, api, compare, cost, efficiency, peer

HOT_BOOKS = 200
DRAWN = 500
MISSES = 500


def _hot(world: World, server: Server) -> Sequence[str]:
    """Return requests for the books that are read often; their answers are in FILE and Redis."""
    paths = drawn_paths(HOT_BOOKS, DRAWN)
    answers = {path: httpx.get(server.url + path, timeout=20).text for path in set(paths)}
    os.environ["FILE"] = str(world.folder / "answers.json")
    Path(os.environ["FILE"]).write_text(json.dumps(answers))
    with world.valkey.client() as client:
        for path, body in answers.items():
            client.set(REDIS_KEY + path, body)
    return [request(path) for path in paths]


def cached(world: World) -> list[Row]:
    """Goal 1: a cached GET beside bare Starlette; goal 6: 304 beside the cached 200."""
    with ExitStack() as stack:
        ours_api = api(world, stack, redis_url=world.valkey.url)
        asked = _hot(world, ours_api)
        bare = Side(peer(world, stack, "starlette"), asked)
        logged = Side(peer(world, stack, "starlette-logged"), asked)
        ours = Side(ours_api, asked)
        found = compare(world, ours, bare)
        beside_logged = compare(world, ours, logged)
        again = _again(ours_api, drawn_paths(HOT_BOOKS, DRAWN))
        unchanged = compare(world, Side(ours_api, again, 304), ours)
    return [
        efficiency("cached GET", "bare Starlette, the same bytes", found, 0.70),
        efficiency(
            "cached GET, log lines on both sides",
            "bare Starlette and one structlog line",
            beside_logged,
            None,
            "not a goal: what the log line is of it",
        ),
        cost("304", "our cached 200", unchanged, 1.0, "no SQL: test_response_cache"),
    ]


def _again(server: Server, paths: Sequence[str]) -> Sequence[str]:
    """Return requests for what the client has already."""
    tags = {path: httpx.get(server.url + path, timeout=20).headers["etag"] for path in set(paths)}
    return [request(path, {"If-None-Match": tags[path]}) for path in paths]


def redis_hit(world: World) -> list[Row]:
    """Goal 2: an answer out of Redis, with no copies in the process."""
    with ExitStack() as stack:
        ours_api = api(world, stack, redis_url=world.valkey.url, cache_local_seconds=0)
        asked = _hot(world, ours_api)
        redis_peer = peer(world, stack, "starlette-redis", redis_url=world.valkey.url)
        found = compare(world, Side(ours_api, asked), Side(redis_peer, asked))
    return [efficiency("Redis hit", "Starlette and one bare redis.get", found, 0.75)]


def uncached(world: World) -> list[Row]:
    """Goals 3 and 4: an uncached GET, beside the API without layers and a minimal FastAPI app."""
    with ExitStack() as stack:
        ours_api = api(world, stack)
        asked = [request(path) for path in drawn_paths(1000, DRAWN)]
        bare = Side(peer(world, stack, "bare-api"), asked)
        minimal = Side(peer(world, stack, "fastapi-query"), asked)
        ours = Side(ours_api, asked)
        layers = compare(world, ours, bare)
        whole = compare(world, ours, minimal)
    return [
        cost("all middleware, uncached GET", "the same API without any", layers, 1.15),
        efficiency("uncached GET", "minimal FastAPI app, the same query", whole, 0.85),
    ]


def misses(world: World) -> list[Row]:
    """Goal 7: concurrent misses on one key, in one process and in two."""
    path, rows = f"{book_path(7)}", []
    for count in (1, 2):
        with ExitStack() as stack, world.valkey.client() as client:
            client.flushall()
            apis = [api(world, stack, redis_url=world.valkey.url) for _ in range(count)]
            loads = _concurrent_loads(apis, path)
        name = f"{MISSES} concurrent misses, {count} process{'es' if count > 1 else ''}"
        rows.append(Row(name, "one load", "loads", loads, 1, loads, None, 1.0, at_most=True))
    return rows


LOADS = 'bookstore_response_cache_requests_total{outcome="miss"}'


def _concurrent_loads(apis: Sequence[Server], path: str) -> float:
    """Send all requests at once; return how many had to be answered by the database."""
    before = sum(each.counter(LOADS) for each in apis)
    share = MISSES // len(apis)
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        loads = [stack.enter_context(clients()) for _ in apis]
        jobs = [Job(each.port, [request(path)], share, share, 200) for each in apis]
        list(pool.map(Clients.run, loads, jobs))
    return sum(each.counter(LOADS) for each in apis) - before


def checkout(_world: World) -> list[Row]:
    """Goal 8."""
    beside = "minimal FastAPI route, the same statements by asyncpg"
    note = "not measured: no bench of the checkout yet"
    return [Row("checkout", beside, "CPU-µs", None, None, None, None, 0.70, note=note)]


GOALS: dict[str, Callable[[World], list[Row]]] = {
    "cached": cached,
    "redis": redis_hit,
    "uncached": uncached,
    "lists": lists.lists,
    "misses": misses,
    "checkout": checkout,
    "csv": processes.csv_import,
    "rest": processes.at_rest,
}
