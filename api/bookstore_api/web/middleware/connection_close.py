"""Ends connections that clients would keep open."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bookstore_api.process.drain import Drain
from bookstore_api.telemetry.request_state import find_state
from bookstore_api.web.middleware.answer_headers import add_headers


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
        state = find_state(scope)

        async def send_with_header(message: Message) -> None:
            if message["type"] == "http.response.start" and (
                self._drain.started or (state is not None and state.connection_expired)
            ):
                add_headers(message, (b"connection", b"close"))
            await send(message)

        await self._app(scope, receive, send_with_header)
