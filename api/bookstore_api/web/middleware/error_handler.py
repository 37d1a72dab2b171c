"""Lets no exception out unanswered: the answer then passes the same layers as any other."""

import asyncio
from http import HTTPStatus

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bookstore_api.kit.problems import RETRY_AFTER_SECONDS, problem_response
from bookstore_api.telemetry.request_state import route_of

log = structlog.stdlib.get_logger(__name__)


class ErrorHandlerMiddleware:
    """Answers an internal error with a problem, and logs it."""

    def __init__(self, app: ASGIApp, *, debug: bool = False) -> None:
        """With `debug`, the answer names the exception's type, never more."""
        self._app = app
        self._debug = debug

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; other kinds of scopes pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answered = False

        async def send_watched(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self._app(scope, receive, send_watched)
        except asyncio.CancelledError:  # its time is up: the process ends
            log.warning("request given up", route=route_of(scope))
            if answered:
                raise
            answer = problem_response(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "This process stops; the request was given up.",
                headers={"Retry-After": RETRY_AFTER_SECONDS},
            )
            await answer(scope, receive, send)
        except Exception as error:
            log.exception("unhandled exception", route=route_of(scope))
            if answered:
                raise  # too late for another answer: the server cuts the connection
            kind = f" ({type(error).__name__})" if self._debug else ""
            answer = problem_response(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                f"Internal error{kind}; it was logged with the id in the X-Request-ID header.",
            )
            await answer(scope, receive, send)
