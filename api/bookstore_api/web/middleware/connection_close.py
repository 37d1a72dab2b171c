"""Ends connections that clients would keep open."""

import time
from dataclasses import dataclass
from typing import cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bookstore_api.process.drain import Drain

_KEY = "bookstore.connection"


@dataclass(frozen=True, slots=True)
class Connection:
    """A client's connection; `expires` is in seconds of `time.monotonic`."""

    expires: float

    @property
    def expired(self) -> bool:
        """Whether it has reached its maximum age."""
        return time.monotonic() >= self.expires


def put_connection(scope: Scope, connection: Connection) -> None:
    """Put the connection that a request came by where the layers find it."""
    scope[_KEY] = connection


class ConnectionCloseMiddleware:
    """Ends a connection with the next answer when it is old, or the process about to stop.

    So clients that keep connections open leave a process that they would not leave otherwise: one
    that stops, and one of a color that the Service no longer selects.
    """

    def __init__(self, app: ASGIApp, drain: Drain) -> None:
        self._app = app
        self._drain = drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; other kinds of scopes pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        connection = cast("Connection | None", scope.get(_KEY))  # other servers put none there

        async def send_with_header(message: Message) -> None:
            if message["type"] == "http.response.start" and (
                self._drain.started or (connection is not None and connection.expired)
            ):
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await self._app(scope, receive, send_with_header)
