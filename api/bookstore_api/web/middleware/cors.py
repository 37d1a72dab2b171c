"""Which other sites' pages may call the API, and what of an answer they may read.

Starlette's own layer refuses preflights in plain text, and leaves `Vary: Origin` out of answers
without an origin, which a cache could then hand to a page that may not read them.
"""

from collections.abc import Collection
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bookstore_api.kit.problems import problem_response

ANY = "*"
ALLOWED_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
ALLOWED_HEADERS = (
    "Authorization, Content-Type, If-Match, If-None-Match, X-Request-ID, traceparent, tracestate"
)
EXPOSED_HEADERS = "ETag, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-ID"
PREFLIGHT_MAX_AGE_SECONDS = 600

Headers = list[tuple[bytes, bytes]]

_VARY = (b"vary", b"Origin")
_ALLOWED = b"access-control-allow-origin"
_EXPOSED = (b"access-control-expose-headers", EXPOSED_HEADERS.encode())
_PREFLIGHT: Headers = [
    (b"access-control-allow-methods", ALLOWED_METHODS.encode()),
    (b"access-control-allow-headers", ALLOWED_HEADERS.encode()),
    (b"access-control-max-age", str(PREFLIGHT_MAX_AGE_SECONDS).encode()),
]


class CorsMiddleware:
    """Lets pages of some origins in. No cookies: whoever writes brings a token of its own."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        """Take exact origins, such as https://shop.example.com, or `*` for any."""
        self._app = app
        self._any = ANY in origins
        self._origins = frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; other kinds of scopes pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        origin, is_preflight = _read(scope)
        allowed = self._headers(origin)
        if origin is not None and is_preflight:
            await _answer_preflight(allowed, scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *allowed]
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _headers(self, origin: bytes | None) -> Headers:
        """Say which origin may read the answer, and to caches whether that depends on the asker."""
        if self._any:
            return [] if origin is None else [(_ALLOWED, b"*"), _EXPOSED]
        if origin in self._origins:
            return [(_ALLOWED, origin), _EXPOSED, _VARY]
        return [_VARY]


def _read(scope: Scope) -> tuple[bytes | None, bool]:
    """Return the origin of the page that asks, and whether its browser asks for permission."""
    origin, is_preflight = None, False
    for name, value in scope["headers"]:
        if name == b"origin":
            origin = value
        elif name == b"access-control-request-method":
            is_preflight = scope["method"] == "OPTIONS"
    return origin, is_preflight


async def _answer_preflight(allowed: Headers, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer for every route alike: what an allowed page may send is the browser's to compare."""
    if allowed[0][0] != _ALLOWED:
        problem = problem_response(
            HTTPStatus.FORBIDDEN, "Pages of this origin may not call the API.", headers=_text(_VARY)
        )
        await problem(scope, receive, send)
        return
    start = {
        "type": "http.response.start",
        "status": HTTPStatus.NO_CONTENT.value,
        "headers": [*allowed, *_PREFLIGHT],
    }
    await send(start)
    await send({"type": "http.response.body", "body": b""})


def _text(header: tuple[bytes, bytes]) -> dict[str, str]:
    name, value = header
    return {name.decode(): value.decode()}
