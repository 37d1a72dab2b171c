"""What a request costs in CPU time: the bare app, each layer around it, the whole.

    python -m tests.bench.layers [--rounds 30] [--requests 100]

Requests are ASGI calls in this process, without a socket: what a server adds is not in it. The
layers are those of `create_app`, put on from the inside out; rounds of all stacks are interleaved,
and a layer's figure is the median of what it added in each round. Each layer is measured on a read
that asks no database; the whole, beside the bare app, also on what does (SQLite, twenty books) and
what is counted in a real Redis: their noise would drown the layers that take a microsecond. Log
lines are written as JSON and thrown away.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from fastapi import FastAPI
from starlette.types import ASGIApp, Message

from bookstore_api.app import create_app
from bookstore_api.auth.bearer import bearer_token
from bookstore_api.auth.staff import Staff
from bookstore_api.db.schema.tree import Branch
from bookstore_api.settings import Settings
from bookstore_api.shop.catalog.isbn import make_isbn
from bookstore_api.shop.domains import self_test
from bookstore_api.telemetry.logging import configure_logging, log_request
from bookstore_api.telemetry.request_state import (
    RequestState,
    group_headers,
    put_state,
    working_for,
)
from bookstore_api.web.resources import Resources, open_resources
from tests.support.bookstore import apply_schema
from tests.support.valkey import own_valkey

BOOKS = "/api/v1/books"
TOKEN = "0123456789abcdef0123456789abcdef"
HEADERS = [
    (b"host", b"shop.example.com"),
    (b"user-agent", b"layers/1"),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"gzip, deflate"),
    (b"authorization", f"Bearer {TOKEN}".encode()),
    (b"origin", b"https://shop.example.com"),
]
BARE = "the bare app"

Call = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Request:
    """One to send again and again."""

    name: str
    method: str
    path: str
    status: int
    body: bytes = b""


@dataclass(frozen=True)
class Stack:
    """The app with some of its layers; `name` is the outermost one."""

    name: str
    app: ASGIApp


def book(number: int) -> dict[str, Any]:
    return {
        "isbn": make_isbn(number),
        "title": f"The Left Hand of Darkness, volume {number}",
        "authors": ["Ursula K. Le Guin"],
        "price": {"amount": "9.90", "currency": "EUR"},
    }


def make_call(app: ASGIApp, request: Request, state: Mapping[str, Any]) -> Call:
    """A request as a server would hand it to the app; raises where the answer is another."""
    headers = [*HEADERS]
    if request.body:
        length = str(len(request.body)).encode()
        headers += [(b"content-type", b"application/json"), (b"content-length", length)]
    messages: list[Message] = [{"type": "http.request", "body": request.body, "more_body": False}]

    async def receive() -> Message:
        return messages[0]

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] != request.status:
            msg = f"{request.name}: {message['status']}"
            raise RuntimeError(msg)

    async def call() -> None:
        path, _, query = request.path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": headers,
            "client": ("198.51.100.1", 1234),
            "server": ("127.0.0.1", 8000),
            "state": dict(state),
        }
        request_state = RequestState.of(group_headers(headers))  # as the server does
        request_state.client = "198.51.100.1"
        put_state(scope, request_state)
        await app(scope, receive, send)

    return call


def make_stacks(resources: Resources) -> list[Stack]:
    """The app bare, then with one layer more each, up to the whole."""
    whole = create_app(resources).user_middleware
    stacks = []
    for depth in range(len(whole) + 1):
        app = create_app(resources)
        app.user_middleware = whole[len(whole) - depth :]
        name = getattr(app.user_middleware[0].cls, "__name__", "?") if depth else BARE
        stacks.append(Stack(name, app))
    return stacks


async def cpu_microseconds(call: Call, requests: int) -> float:
    """CPU time of this process a request, all its threads counted."""
    began = time.process_time()
    for _ in range(requests):
        await call()
    return (time.process_time() - began) / requests * 1e6


async def measure(
    stacks: Sequence[Stack], request: Request, state: Mapping[str, Any], *, rounds: int, n: int
) -> list[list[float]]:
    """For each round, the figure of each stack."""
    calls = [make_call(stack.app, request, state) for stack in stacks]
    for call in calls:
        await cpu_microseconds(call, max(n // 4, 1))
    return [[await cpu_microseconds(call, n) for call in calls] for _ in range(rounds)]


def report(stacks: Sequence[Stack], request: Request, rounds: list[list[float]]) -> None:
    """Print the bare app, what each layer adds (with the quartiles), and the whole."""
    print(f"\n{request.name}: {request.method} {request.path} → {request.status}")
    bare = statistics.median(figures[0] for figures in rounds)
    print(f"  {BARE:<30}{bare:>9.1f} µs")
    for place in range(1, len(stacks)):
        added = sorted(figures[place] - figures[place - 1] for figures in rounds)
        low, high = added[len(added) // 4], added[-1 - len(added) // 4]
        name = f"+ {stacks[place].name}"
        print(f"  {name:<30}{statistics.median(added):>9.1f} µs  ({low:.1f} to {high:.1f})")
    whole = statistics.median(figures[-1] for figures in rounds)
    print(f"  {'the whole':<30}{whole:>9.1f} µs")


@asynccontextmanager
async def world(folder: Path, redis_url: str) -> AsyncIterator[tuple[Settings, Resources]]:
    """Settings like production's, as far as a laptop goes, and what they open."""
    database = f"sqlite:///{folder / 'books.db'}"
    settings = Settings.model_validate(
        {
            "database_url": database,
            "secrets_dir": folder,
            "redis_url": redis_url,
            "redis_timeout_seconds": 5,
            "cors_origins": "https://shop.example.com",
            "trusted_proxies": "10.0.0.0/8",
            "rate_limit_reads": "100000000/hour",
            "rate_limit_writes": "100000000/hour",
            "log_format": "json",
        }
    )
    (folder / "staff").mkdir()
    (folder / "staff" / "token").write_text(TOKEN, encoding="utf-8")
    async with open_resources(settings, self_test) as resources:
        yield settings, resources


async def create_books(app: ASGIApp, state: Mapping[str, Any]) -> None:
    """Fill a page."""
    for number in range(20):
        body = repr(book(number)).replace("'", '"').encode()
        await make_call(app, Request("create", "POST", BOOKS, 201, body), state)()


ABSENT = f"{BOOKS}/00000000-0000-7000-8000-000000000000"
RENAME = b'{"title": "Another"}'
READ = Request("a read", "GET", "/nothing", 404)
WRITE = Request("a write, counted in Redis", "PATCH", "/nothing", 404, RENAME)
WITH_DATABASE = (
    Request("a page of books", "GET", f"{BOOKS}?limit=20", 200),
    Request("a change", "PATCH", ABSENT, 404, RENAME),
)


async def run(rounds: int, n: int, folder: Path, redis_url: str) -> None:
    """Measure each kind of request."""
    async with world(folder, redis_url) as (settings, resources):
        stacks = make_stacks(resources)
        whole = stacks[-1].app
        assert isinstance(whole, FastAPI)
        async with whole.router.lifespan_context(whole) as state:
            assert state is not None
            await create_books(whole, state)
            ends = [stacks[0], Stack("all layers", stacks[-1].app)]
            counting = next(stack for stack in stacks if stack.name == "RateLimitMiddleware")
            plan = [(READ, stacks, n), (WRITE, [stacks[0], counting, ends[1]], n)]
            plan += [(request, ends, max(n // 10, 1)) for request in WITH_DATABASE]
            for request, compared, size in plan:
                figures = await measure(compared, request, state, rounds=rounds, n=size)
                report(compared, request, figures)
        await report_staff(settings, rounds=rounds, n=n)
    report_line(rounds=rounds, n=n)


def report_line(*, rounds: int, n: int) -> None:
    """Print what a request's log line costs by itself, its fields at hand."""
    figures = []
    with working_for(RequestState("0123456789abcdef0123456789abcdef")):
        for _ in range(rounds):
            began = time.process_time()
            for _ in range(n):
                log_request("GET", f"{BOOKS}/{{book_id}}", 200, 1.23, "198.51.100.1", None)
            figures.append((time.process_time() - began) / n * 1e6)
    print(f"\nthe log line of a request: {statistics.median(figures):.1f} µs")


async def report_staff(settings: Settings, *, rounds: int, n: int) -> None:
    """Print what checking the staff token costs each write, inside of the bare app."""
    staff, scope = Staff(settings), {"type": "http", "headers": HEADERS}
    token = bearer_token(scope)
    figures = []
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(n):
            await staff.authenticate(token)
        figures.append((time.process_time() - began) / n * 1e6)
    print(f"\nthe staff token, read, compared and logged: {statistics.median(figures):.1f} µs")


def main() -> None:
    """Start what is needed, and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--requests", type=int, default=100)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bookstore-layers-"))
    try:
        with own_valkey() as valkey, Path(os.devnull).open("w", encoding="utf-8") as nowhere:
            configure_logging(Settings.model_validate({"log_format": "json"}), stream=nowhere)
            apply_schema(f"sqlite:///{folder / 'books.db'}", Branch.CONTRACT)
            uvloop.run(run(arguments.rounds, arguments.requests, folder, valkey.url))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
