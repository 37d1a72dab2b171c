"""Bounds what a body may cost: its bytes, the time it takes, the time in which nothing arrives.

A body that no route reads is not looked at here: the server reads it into nothing, for so long.
"""

import asyncio
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bookstore_api.kit.problems import ContentTooLargeError, RequestTimeoutError, problem_response
from bookstore_api.telemetry.request_state import headers_of

STALL_SECONDS = 10.0
# What follows of such a body is no request.
_CLOSE = {"Connection": "close"}


@dataclass(frozen=True)
class BodyLimits:
    """The most that a body may have: bytes, and seconds from when it is first waited for."""

    max_bytes: int
    seconds: float


class BodyLimitMiddleware:
    """Rejects bodies that are too large (413) or too slow (408), before they are kept anywhere."""

    def __init__(self, app: ASGIApp, limits: BodyLimits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; other kinds of scopes pass through."""
        length = _length(scope) if scope["type"] == "http" else 0
        if length == 0:
            await self._app(scope, receive, send)
        elif length is None or length <= self._limits.max_bytes:
            await self._app(scope, _Body(receive, self._limits).receive, send)
        else:
            error = _too_large(self._limits)
            answer = problem_response(error.status, error.detail, headers=error.headers)
            await answer(scope, receive, send)


def _length(scope: Scope) -> int | None:
    """Return how long the body is said to be; None where it comes in chunks."""
    headers = headers_of(scope)
    if b"transfer-encoding" in headers:
        return None
    lengths = headers.get(b"content-length")
    return int(lengths[-1]) if lengths else 0  # digits only: the server has looked


class _Body:
    """A body as it arrives."""

    def __init__(self, receive: Receive, limits: BodyLimits) -> None:
        self._receive = receive
        self._limits = limits
        self._bytes = 0
        self._deadline: float | None = None
        self._complete = False

    async def receive(self) -> Message:
        """Pass on a part; raises ContentTooLargeError and RequestTimeoutError."""
        if self._complete:  # whoever asks now wants to know whether the client is still there
            return await self._receive()
        try:
            async with asyncio.timeout(self._time_left()):
                message = await self._receive()
        except TimeoutError:
            msg = "The body did not arrive in time. Send it in one go."
            raise RequestTimeoutError(msg, headers=_CLOSE) from None
        self._complete = not message.get("more_body", False)
        self._bytes += len(message.get("body", b""))
        if self._bytes > self._limits.max_bytes:
            raise _too_large(self._limits)
        return message

    def _time_left(self) -> float:
        now = asyncio.get_running_loop().time()
        if self._deadline is None:
            self._deadline = now + self._limits.seconds
        return min(STALL_SECONDS, max(self._deadline - now, 0))


def _too_large(limits: BodyLimits) -> ContentTooLargeError:
    return ContentTooLargeError(f"Send at most {limits.max_bytes} bytes.", headers=_CLOSE)
