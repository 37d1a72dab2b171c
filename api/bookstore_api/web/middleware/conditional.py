"""Gives what is read an entity tag, and answers 304 and 412 by it (RFC 9110, section 13).

For writes, whoever changes something checks its version, in the same transaction.
"""

from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bookstore_api.kit.etags import parse_entity_tags, weak_etag
from bookstore_api.kit.problems import problem_response
from bookstore_api.telemetry.request_state import headers_of

_READS = frozenset({"GET", "HEAD"})
_ETAG = b"etag"
# Of a representation that a 304 does not carry.
_OF_CONTENT = frozenset({b"content-length", b"content-type"})


class ConditionalMiddleware:
    """Answers a read of what the client has already with 304; without a body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; writes and other kinds of scopes pass through."""
        if scope["type"] != "http" or scope["method"] not in _READS:
            await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, _Answer(scope, receive, send).send)


class _Answer:
    """An answer on its way out: its head waits for the body, of which the tag is made."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._start: Message | None = None

    async def send(self, message: Message) -> None:
        """Pass on a part, or all at once."""
        if message["type"] == "http.response.start" and message["status"] == HTTPStatus.OK:
            self._start = message
            return
        start, self._start = self._start, None
        if start is None:
            await self._send(message)
        elif message.get("more_body", False):  # too long to be kept: it goes out as it is
            await self._send(start)
            await self._send(message)
        else:
            await self._send_whole(start, message)

    async def _send_whole(self, start: Message, body: Message) -> None:
        headers = list(start["headers"])
        etag = next((value.decode("latin-1") for name, value in headers if name == _ETAG), None)
        if etag is None:
            etag = weak_etag(body.get("body", b""))
            headers.append((_ETAG, etag.encode()))
        if not self._matches(b"if-match", etag, default=True, weakly=False):
            problem = problem_response(
                HTTPStatus.PRECONDITION_FAILED,
                "What is here now has another ETag than the ones in If-Match.",
            )
            await problem(self._scope, self._receive, self._send)
        elif self._matches(b"if-none-match", etag, default=False, weakly=True):
            kept = [header for header in headers if header[0] not in _OF_CONTENT]
            await self._send({**start, "status": HTTPStatus.NOT_MODIFIED, "headers": kept})
            await self._send({"type": "http.response.body"})
        else:
            await self._send({**start, "headers": headers})
            await self._send(body)

    def _matches(self, name: bytes, etag: str, *, default: bool, weakly: bool) -> bool:
        """Whether the tag is among those of a header; `default` where that is not there or wrong.

        A read with a malformed condition harms nobody, so it is a read without one.
        """
        values = headers_of(self._scope).get(name)
        if not values:
            return default
        tags = parse_entity_tags(value.decode("latin-1") for value in values)
        if tags is None:
            return default
        return tags.match_weakly(etag) if weakly else tags.match_strongly(etag)
