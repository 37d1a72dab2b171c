"""A reverse proxy in front of an API server that injects faults.

It is the operator's only way to its cluster: so it counts what the operator asks for and writes,
and it can fail any request by verb, path and occurrence.
"""

import asyncio
import json
import re
import selectors
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
from aiohttp import web

_START_SECONDS = 10.0
_CLOSE_SECONDS = 10.0
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "upgrade"}
)


@dataclass(slots=True)
class Seen:
    """A request, with the answer's status: 0 until there is one, and when there never was one."""

    method: str
    path: str
    watch: bool
    at: float
    status: int = 0

    @property
    def is_write(self) -> bool:
        """Whether it was to change something.

        Renewals of a Lease are not counted, nor reviews: questions about rights, which are sent
        as a POST and stored nowhere.
        """
        unchanging = ("/leases", "/selfsubjectrulesreviews", "/selfsubjectaccessreviews")
        return self.method != "GET" and not any(part in self.path for part in unchanging)


Fault: TypeAlias = Callable[["Proxy", web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Rule:
    """A fault for the requests that match it, so many times."""

    fault: Fault
    method: str
    path: re.Pattern[str]
    watch: bool | None
    left: float
    met: list[Seen] = field(default_factory=list)
    """The requests that met the fault."""

    def meets(self, seen: Seen) -> bool:
        """Whether the request meets the fault."""
        return (
            self.left > 0
            and seen.method in self.method.split()
            and self.watch in {None, seen.watch}
            and self.path.search(seen.path) is not None
        )


@dataclass(slots=True, eq=False)
class _Stream:
    path: str
    frozen: bool = False
    transport: asyncio.BaseTransport | None = None


class Proxy:
    """Forwards to an API server. Made by `proxy`; all methods may be called from any thread."""

    def __init__(self, server: str, certificate: Path) -> None:
        self.url = ""
        self.seen: list[Seen] = []
        self.watch_delay = 0.0
        """How late watches deliver each piece of what they have, in seconds."""
        self._server = server
        self._trusted = ssl.create_default_context(cafile=str(certificate))
        self._rules: list[Rule] = []
        self._streams: set[_Stream] = set()
        # Our own selector lists the connections that are still open.
        self._selector = selectors.DefaultSelector()
        self._loop = asyncio.SelectorEventLoop(self._selector)
        self._ended = asyncio.Event()
        self._gate = asyncio.Event()
        self._ready = threading.Event()

    def fail(
        self,
        fault: Fault,
        path: str,
        *,
        method: str = "GET",
        watch: bool | None = None,
        times: float = float("inf"),
    ) -> Rule:
        """Let requests whose path has this pattern meet a fault; `method` may name several."""
        rule = Rule(fault, method, re.compile(path), watch, times)
        self._rules.append(rule)
        return rule

    def writes(self, since: float = 0.0) -> list[Seen]:
        """Return the writes since a moment of `time.monotonic`."""
        return [seen for seen in list(self.seen) if seen.is_write and seen.at >= since]

    def watches(self, path: str = "") -> int:
        """Return how many watches are open."""
        return len(self._open(path))

    def quiet_for(self) -> float:
        """Return the seconds since the last write."""
        return time.monotonic() - max((seen.at for seen in self.writes()), default=0.0)

    def cut_watches(self, path: str = "") -> None:
        """Cut the connections of open watches."""
        for stream in self._open(path):
            if isinstance(stream.transport, asyncio.Transport):
                self._loop.call_soon_threadsafe(stream.transport.abort)

    def freeze_watches(self, path: str = "") -> None:
        """Send nothing more on open watches, with their connections open."""
        for stream in self._open(path):
            stream.frozen = True

    def let_go(self) -> None:
        """Send the answers that `held` has delayed."""
        self._loop.call_soon_threadsafe(self._gate.set)

    async def let_go_of(self) -> None:
        """Wait for `let_go`."""
        await self._gate.wait()

    def kubeconfig(self, original: Path, target: Path) -> Path:
        """Write a kubeconfig with the same user that leads here."""
        config = json.loads(original.read_text())
        config["clusters"][0]["cluster"] = {"server": self.url}
        target.write_text(json.dumps(config))
        return target

    def _open(self, path: str) -> list[_Stream]:
        return [stream for stream in list(self._streams) if re.search(path, stream.path)]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        watch = request.query.get("watch") in {"true", "1"}
        seen = Seen(request.method, request.path, watch, time.monotonic())
        self.seen.append(seen)
        rule = next((rule for rule in self._rules if rule.meets(seen)), None)
        if rule is None:
            response = await self.forward(request)
        else:
            rule.left -= 1
            rule.met.append(seen)
            response = await rule.fault(self, request)
        seen.status = response.status
        return response

    async def forward(self, request: web.Request, body: bytes | None = None) -> web.StreamResponse:
        """Pass a request on, with its own body or this one, and its answer piece by piece."""
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        async with self._session.request(
            request.method,
            self._server + request.path_qs,
            headers=headers,
            data=body or await request.read() or None,
            allow_redirects=False,
        ) as answer:
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP_BY_HOP}
            if request.query.get("watch") not in {"true", "1"}:
                return web.Response(status=answer.status, headers=kept, body=await answer.read())
            return await self._stream(request, answer, kept)

    async def _stream(
        self, request: web.Request, answer: aiohttp.ClientResponse, headers: dict[str, str]
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers=headers)
        stream = _Stream(request.path, transport=request.transport)
        await response.prepare(request)
        self._streams.add(stream)
        try:
            async for piece in answer.content.iter_any():
                if self.watch_delay:
                    await asyncio.sleep(self.watch_delay)
                if not stream.frozen:
                    await response.write(piece)
            if stream.frozen:
                await self._ended.wait()
        finally:
            self._streams.discard(stream)
        return response

    async def hold_open(self) -> None:
        """Wait until the proxy ends."""
        await self._ended.wait()

    def run(self) -> None:
        """Serve until `end`."""
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
            self._loop.run_until_complete(self._end_tasks())
            self._await_closed()
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        connector = aiohttp.TCPConnector(ssl=self._trusted, limit=0)
        no_limit = aiohttp.ClientTimeout(total=None)
        application = web.Application(client_max_size=2**24)
        application.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.2)
        async with aiohttp.ClientSession(
            connector=connector, timeout=no_limit, auto_decompress=False
        ) as self._session:
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            self._ready.set()
            await self._ended.wait()
            await runner.cleanup()

    async def _end_tasks(self) -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _await_closed(self) -> None:
        """Run the loop until the transports have closed their sockets."""
        deadline = time.monotonic() + _CLOSE_SECONDS
        # The loop's own pipe is always there.
        while len(self._selector.get_map()) > 1 and time.monotonic() < deadline:
            self._loop.run_until_complete(asyncio.sleep(0.01))

    def wait_until_serving(self) -> None:
        """Wait until its address is known."""
        assert self._ready.wait(_START_SECONDS), "the proxy did not start"

    def end(self) -> None:
        """Close all connections."""
        self._loop.call_soon_threadsafe(self._ended.set)


@contextmanager
def proxy(server: str, certificate: Path) -> Iterator[Proxy]:
    """Run a proxy for the block, in a thread of its own."""
    running = Proxy(server, certificate)
    thread = threading.Thread(target=running.run, name="proxy", daemon=True)
    thread.start()
    running.wait_until_serving()
    try:
        yield running
    finally:
        running.end()
        thread.join(_START_SECONDS + _CLOSE_SECONDS)
        assert not thread.is_alive(), "the proxy did not end"


def answer(
    status: int, reason: str = "", retry_after: int | None = None, message: str = ""
) -> Fault:
    """Answer with a Status, as the API server does."""

    async def fault(_: Proxy, __: web.Request) -> web.StreamResponse:
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        body = _status(status, reason)
        body["message"] = message or body["message"]
        return web.json_response(body, status=status, headers=headers)

    return fault


async def drop(_: Proxy, request: web.Request) -> web.StreamResponse:
    """Cut the connection; the API server never hears of the request."""
    return _cut(request)


async def lose_answer(proxy: Proxy, request: web.Request) -> web.StreamResponse:
    """Cut the connection after the API server has answered."""
    await proxy.forward(request)
    return _cut(request)


async def hang(proxy: Proxy, _: web.Request) -> web.StreamResponse:
    """Never answer."""
    await proxy.hold_open()
    return web.Response(status=504)


async def held(proxy: Proxy, request: web.Request) -> web.StreamResponse:
    """Forward the request, and answer when `let_go` is called."""
    response = await proxy.forward(request)
    await proxy.let_go_of()
    return response


def say(line: bytes) -> Fault:
    """Answer a watch with a line, and end it."""

    async def fault(_: Proxy, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(line)
        return response

    return fault


def error_event(code: int, reason: str) -> Fault:
    """Answer a watch with an ERROR event, and end it."""
    event: dict[str, Any] = {"type": "ERROR", "object": _status(code, reason)}
    return say(json.dumps(event).encode() + b"\n")


def _cut(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _status(code: int, reason: str) -> dict[str, Any]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f"a fault for a test: {code} {reason}",
        "reason": reason or f"Code{code}",
        "code": code,
    }
