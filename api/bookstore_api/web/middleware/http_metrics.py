"""Counts each request once, however it ends."""

from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from bookstore_api.telemetry.metrics import IN_PROGRESS, count_error, count_request, error_type
from bookstore_api.telemetry.request_state import request_state, route_of


class HttpMetricsMiddleware:
    """Counts what was answered, how long it took, and what is in progress."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; other kinds of scopes pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state, broke_off = request_state(scope), False
        IN_PROGRESS.scopes[id(scope)] = scope
        try:
            await self._app(scope, receive, send)
        except Exception:
            broke_off = True
            raise
        finally:
            del IN_PROGRESS.scopes[id(scope)]
            status = state.outcome
            count_request(scope["method"], route_of(scope), status, state.seconds)
            if status >= HTTPStatus.BAD_REQUEST:
                count_error(state.error or error_type(status))
            elif broke_off:
                count_error(error_type(HTTPStatus.INTERNAL_SERVER_ERROR))
