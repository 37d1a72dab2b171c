"""Ends connections that clients would keep open."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Drain:
    """Whether this process is about to stop."""

    def __init__(self) -> None:
        self.started = False

    def start(self) -> None:
        """From now on, ask clients to go elsewhere."""
        self.started = True


class Connections:
    """While draining, each answer ends its connection: clients that keep theirs open leave."""

    def __init__(self, app: ASGIApp, drain: Drain) -> None:
        self._app = app
        self._drain = drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; other kinds of scopes pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_header(message: Message) -> None:
            if message["type"] == "http.response.start" and self._drain.started:
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await self._app(scope, receive, send_with_header)
