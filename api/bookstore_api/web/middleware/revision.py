"""Names the revision in each answer, so that whoever switches can tell who has answered."""

from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bookstore_api.web.middleware.answer_headers import add_headers

REVISION_HEADER = "Bookstore-Revision"


class RevisionMiddleware:
    """Adds the release's revision to every answer of the app, percent-encoded."""

    def __init__(self, app: ASGIApp, revision: str) -> None:
        self._app = app
        self._header = (REVISION_HEADER.lower().encode(), quote(revision).encode("ascii"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; other kinds of scopes pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                add_headers(message, self._header)
            await send(message)

        await self._app(scope, receive, send_with_header)
