"""Answers what is public and was asked before without a router, a session or SQL.

The layers outside of it treat such an answer as any other: it gets its request id, its headers, its
log line and its place in the metrics, and counts for the limits.
"""

from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bookstore_api.cache.entries import Entry, Route
from bookstore_api.cache.store import Key, ResponseStore
from bookstore_api.kit.etags import weak_etag
from bookstore_api.telemetry.request_state import READS, route_of
from bookstore_api.web.cached_routes import CachedRoutes

# All that an answer may have to be the same for everybody.
_KEPT = frozenset({b"content-length", b"content-type", b"etag"})


class ResponseCacheMiddleware:
    """Answers reads from the store, and tells it of writes before their clients hear of them."""

    def __init__(self, app: ASGIApp, store: ResponseStore, routes: CachedRoutes) -> None:
        self._app = app
        self._store = store
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; other kinds of scopes pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] == "GET":
            await self._read(scope, receive, send)
        elif scope["method"] in READS or not (tags := self._routes.changed_by(scope)):
            await self._app(scope, receive, send)
        else:
            await self._write(scope, receive, send, tags)

    async def _read(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = self._routes.key_of(scope)
        if key is None:
            await self._app(scope, receive, send)
            return
        entry = self._store.local.find(key.name)
        if entry is not None:
            self._store.count("local")
            await _send_entry(entry, scope, send)
            return
        await self._read_shared(key, scope, receive, send)

    async def _read_shared(self, key: Key, scope: Scope, receive: Receive, send: Send) -> None:
        answered = False

        async def load() -> Entry | None:
            nonlocal answered
            answered = True
            capture = _Capture(scope, send)
            await self._app(scope, receive, capture.send)
            return capture.entry

        entry = await self._store.get(key, load)
        if not answered and entry is not None:
            await _send_entry(entry, scope, send)

    async def _write(
        self, scope: Scope, receive: Receive, send: Send, tags: tuple[str, ...]
    ) -> None:
        """Invalidate unless the answer is that nothing was done; also where there is no answer.

        A 5xx may follow a commit: whoever lost a connection at that moment does not know.
        """
        answered = False

        async def send_after(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                status = message["status"]
                if not HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
                    await self._store.invalidate(*tags)
            await send(message)

        try:
            await self._app(scope, receive, send_after)
        finally:
            if not answered:
                await self._store.invalidate(*tags)


async def _send_entry(entry: Entry, scope: Scope, send: Send) -> None:
    scope["route"] = entry.route
    await send({"type": "http.response.start", "status": 200, "headers": entry.headers})
    await send({"type": "http.response.body", "body": entry.body})


class _Capture:
    """An answer on its way out, of which the part is kept that everybody may have."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._headers: dict[bytes, bytes] | None = None
        self.entry: Entry | None = None

    async def send(self, message: Message) -> None:
        """Note a part, and pass it on."""
        if message["type"] == "http.response.start":
            headers = list(message["headers"])
            kept = dict(headers)
            if message["status"] == HTTPStatus.OK and len(kept) == len(headers):
                self._headers = kept if _KEPT.issuperset(kept) else None
        elif self._headers is not None:
            if message.get("more_body", False):
                self._headers = None
            else:
                self._note(self._headers, message.get("body", b""))
        await self._send(message)

    def _note(self, headers: dict[bytes, bytes], body: bytes) -> None:
        etag = headers.get(b"etag") or weak_etag(body).encode()
        content_type = headers.get(b"content-type", b"")
        self.entry = Entry(body, content_type, etag, Route(route_of(self._scope)))
