"""The outermost layer: gives each request an id, its place in a trace, and one log line."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bookstore_api.telemetry.logging import log_request
from bookstore_api.telemetry.request_state import METHODS, ensure_state, enter, leave, route_of
from bookstore_api.telemetry.trace_context import REQUEST_ID_HEADER
from bookstore_api.web.client_address import ClientAddresses
from bookstore_api.web.middleware.answer_headers import add_headers

OTHER_METHOD = "(other)"  # there are dozens, and whoever sends one made it up

_REQUEST_ID = REQUEST_ID_HEADER.encode()


class RequestLogMiddleware:
    """Takes or makes the request's id, returns it in the answer, and logs how it went."""

    def __init__(self, app: ASGIApp, clients: ClientAddresses) -> None:
        self._app = app
        self._clients = clients

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; other kinds of scopes pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = ensure_state(scope)
        state.started = time.perf_counter()
        state.client = self._clients.of(scope)
        header = (_REQUEST_ID, state.request_id.encode())

        async def receive_watching() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect" and not state.answered:
                state.abandoned = True
            return message

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                state.status = message["status"]
                add_headers(message, header)
            await send(message)

        error: str | None = None
        token = enter(state)
        try:
            await self._app(scope, receive_watching, send_with_id)
        except BaseException as escaped:
            error = type(escaped).__name__
            raise
        finally:
            log_request(
                scope["method"] if scope["method"] in METHODS else OTHER_METHOD,
                route_of(scope),
                state.outcome,
                round(state.seconds * 1000, 2),
                state.client,
                error,
            )
            leave(state, token)
