"""Which other sites' pages may call the API, and what of an answer they may read.

Starlette's own layer rejects preflights in plain text, names what may be read to pages that may
read nothing, and tells caches that the answer depends on the origin where all may read it.
"""

from collections.abc import Collection
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Send

from bookstore_api.kit.problems import problem_response
from bookstore_api.web.middleware.answer_headers import add_headers

ALLOWED_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
ALLOWED_HEADERS = (
    "Authorization, Content-Type, If-Match, If-None-Match, X-Request-ID, traceparent, tracestate"
)
EXPOSED_HEADERS = "ETag, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-ID"
PREFLIGHT_MAX_AGE_SECONDS = 600

_ALLOWED = "access-control-allow-origin"
_EXPOSED = {"access-control-expose-headers": EXPOSED_HEADERS}
_VARY = {"vary": "Origin"}
_PREFLIGHT = {
    "access-control-allow-methods": ALLOWED_METHODS,
    "access-control-allow-headers": ALLOWED_HEADERS,
    "access-control-max-age": str(PREFLIGHT_MAX_AGE_SECONDS),
}


class CorsMiddleware(CORSMiddleware):
    """Lets pages of some origins in. No cookies: whoever writes brings a token of its own."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        """Take exact origins, such as https://shop.example.com, or `*` for any."""
        super().__init__(app, allow_origins=frozenset(origins))

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer for every route alike: what an allowed page may send is the browser's to tell."""
        allowed = self._headers(request_headers)
        if _ALLOWED in allowed:
            return Response(status_code=HTTPStatus.NO_CONTENT, headers=allowed | _PREFLIGHT)
        text = "Pages of this origin may not call the API."
        return problem_response(HTTPStatus.FORBIDDEN, text, headers=allowed)

    async def send(self, message: Message, send: Send, request_headers: Headers) -> None:
        """Send on, with who may read the answer in its head."""
        if message["type"] == "http.response.start":
            add_headers(message, *Headers(self._headers(request_headers)).raw)
        await send(message)

    def _headers(self, request_headers: Headers) -> dict[str, str]:
        """Say which origin may read the answer, and to caches whether that depends on the asker."""
        return _answer_headers(frozenset(self.allow_origins), request_headers.get("origin"))


def headers_for(origins: Collection[str], origin: bytes | None) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer that the server gives before the app, if any.

    The origin may not have arrived by then. Where pages of one origin only may call, or of all, it
    is known anyway; the browser compares it.
    """
    if origin is None and len(origins) == 1:
        [text] = origins
    else:
        text = "" if origin is None else origin.decode("latin-1")
    return Headers(_answer_headers(origins, text or None)).raw


def _answer_headers(origins: Collection[str], origin: str | None) -> dict[str, str]:
    if "*" in origins:
        return {} if origin is None else {_ALLOWED: "*"} | _EXPOSED
    if origin is not None and origin in origins:
        return {_ALLOWED: origin} | _EXPOSED | _VARY
    return _VARY
