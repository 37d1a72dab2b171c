"""Counts each request once, however it ends."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bookstore_api.metrics import (
    CLIENT_LEFT,
    IN_PROGRESS,
    count_error,
    count_request,
    error_type,
)
from bookstore_api.middleware.exchange import exchange_of, route_of

INTERNAL = 500


class HttpMetrics:
    """Counts what was answered, how long it took, and what is in progress.

    The status is the one that the answer began with. Where none began it is 499 when the client
    has left, else 500.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; other kinds of scopes pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = exchange_of(scope)
        client_left = broke_off = False

        async def receive_watching() -> Message:
            nonlocal client_left
            message = await receive()
            if message["type"] == "http.disconnect" and not exchange.answered:
                client_left = True
            return message

        IN_PROGRESS.begin(scope)
        try:
            await self._app(scope, receive_watching, send)
        except Exception:
            broke_off = True
            raise
        finally:
            IN_PROGRESS.end(scope)
            status = CLIENT_LEFT if client_left else exchange.status or INTERNAL
            count_request(scope["method"], route_of(scope), status, exchange.seconds)
            if status >= 400:
                count_error(exchange.error or error_type(status))
            elif broke_off:
                count_error(error_type(INTERNAL))
