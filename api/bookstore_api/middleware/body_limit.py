"""Bounds what a body may cost: its bytes, the time it takes, the time in which nothing arrives."""

import asyncio
import contextlib
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bookstore_api.problems import ContentTooLargeError, RequestTimeoutError, problem_response

STALL_SECONDS = 10.0
# A client that still sends when it is refused gets this long to see why: a connection that is
# closed with bytes unread is reset, and the answer lost with it.
LINGER_SECONDS = 2.0
_CLOSE = (b"connection", b"close")


@dataclass(frozen=True)
class BodyLimits:
    """The most that a body may have: bytes, and seconds from the first that it is waited for."""

    max_bytes: int
    seconds: float


class BodyLimit:
    """Refuses bodies that are too large (413) or too slow (408), before they are kept anywhere.

    A connection goes on only when the whole body of its request was read.
    """

    def __init__(self, app: ASGIApp, limits: BodyLimits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; other kinds of scopes pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length, waits_for_permission = _framing(scope)
        if length == 0:
            await self._app(scope, receive, send)
            return
        body = _Body(receive, self._limits)
        answer = _Answer(body, send, waits_for_permission=waits_for_permission)
        if length is not None and length > self._limits.max_bytes:
            body.refused = True
            problem = _too_large(self._limits)
            response = problem_response(problem.status, problem.detail)
            await response(scope, body.receive, answer.send)
        else:
            await self._app(scope, body.receive, answer.send)


def _framing(scope: Scope) -> tuple[int | None, bool]:
    """Return how long the body is, None for chunks, and whether the client waits for a 100."""
    length: int | None = 0
    waits = False
    for name, value in scope["headers"]:
        if name == b"content-length":
            length = int(value)  # digits only: the server has looked
        elif name == b"transfer-encoding":
            length = None
        elif name == b"expect":
            waits = True
    return length, waits


class _Body:
    """A body as it arrives."""

    def __init__(self, receive: Receive, limits: BodyLimits) -> None:
        self._receive = receive
        self._limits = limits
        self._bytes = 0
        self._deadline: float | None = None
        self.complete = False
        self.refused = False

    async def receive(self) -> Message:
        """Pass on a part; raises ContentTooLargeError and RequestTimeoutError."""
        if self.complete:
            return await self._receive()
        try:
            async with asyncio.timeout(self._patience()):
                message = await self._receive()
        except TimeoutError:
            self.refused = True
            msg = "The body did not arrive in time. Send it in one go."
            raise RequestTimeoutError(msg) from None
        self._note(message)
        if self.refused:
            raise _too_large(self._limits)
        return message

    async def take_what_is_there(self) -> None:
        """Read what has arrived, and wait for nothing."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0):
                while not self.complete and not self.refused:
                    self._note(await self._receive())

    async def linger(self) -> None:
        """Read the rest into nothing for a while."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while not self.complete:
                    self._note(await self._receive())

    def _patience(self) -> float:
        now = asyncio.get_running_loop().time()
        if self._deadline is None:
            self._deadline = now + self._limits.seconds
        return min(STALL_SECONDS, max(self._deadline - now, 0))

    def _note(self, message: Message) -> None:
        self._bytes += len(message.get("body", b""))
        self.complete = not message.get("more_body", False)  # so it is when the client has left
        if self._bytes > self._limits.max_bytes:
            self.refused = True


class _Answer:
    """The answer to a request with a body, which may begin before that has been read."""

    def __init__(self, body: _Body, send: Send, *, waits_for_permission: bool) -> None:
        self._body = body
        self._send = send
        self._waits_for_permission = waits_for_permission
        self._closes = False

    async def send(self, message: Message) -> None:
        """Pass on a part; where the body is not there to its end, this was the last request."""
        if message["type"] == "http.response.start":
            # To ask for more would be to tell a client that waits for a 100 to send it.
            if not self._waits_for_permission:
                await self._body.take_what_is_there()
            self._closes = not self._body.complete
            if self._closes:
                message["headers"] = [*message["headers"], _CLOSE]
            await self._send(message)
        elif self._closes and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._body.linger()
            await self._send({"type": "http.response.body", "body": b""})
        else:
            await self._send(message)


def _too_large(limits: BodyLimits) -> ContentTooLargeError:
    return ContentTooLargeError(f"Send at most {limits.max_bytes} bytes.")
