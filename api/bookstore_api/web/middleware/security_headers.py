"""The security headers of every answer, errors included (OWASP Secure Headers Project).

Of OWASP's list only Clear-Site-Data is left out: it is for a logout.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bookstore_api.web.middleware.answer_headers import add_headers

# Answers are data: nothing in one is ever run, shown or embedded.
API_CONTENT_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Features of browsers that a page served from here may use: none.
REJECTED_FEATURES = (
    "accelerometer",
    "autoplay",
    "bluetooth",
    "browsing-topics",
    "camera",
    "clipboard-read",
    "clipboard-write",
    "display-capture",
    "encrypted-media",
    "fullscreen",
    "gamepad",
    "geolocation",
    "gyroscope",
    "hid",
    "identity-credentials-get",
    "idle-detection",
    "local-fonts",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "picture-in-picture",
    "publickey-credentials-get",
    "screen-wake-lock",
    "serial",
    "storage-access",
    "usb",
    "web-share",
    "window-management",
    "xr-spatial-tracking",
)

# The documented table: docs/reference/security.md and the tests hold to it.
SECURITY_HEADERS = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "Content-Security-Policy": API_CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": ", ".join(f"{feature}=()" for feature in REJECTED_FEATURES),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Permitted-Cross-Domain-Policies": "none",
    "X-DNS-Prefetch-Control": "off",
    "Cache-Control": "no-store",
}

_PREPARED = [
    (name.lower().encode(), value.encode("ascii")) for name, value in SECURITY_HEADERS.items()
]

_NAMES = frozenset(name for name, _ in _PREPARED)


def security_headers() -> list[tuple[bytes, bytes]]:
    """Return all of them in ASGI's form, for answers that the server gives before the app."""
    return _PREPARED.copy()


class SecurityHeadersMiddleware:
    """Adds them to every answer; one that the app has set itself stays as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; other kinds of scopes pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                if own.isdisjoint(_NAMES):
                    add_headers(message, *_PREPARED)
                else:
                    add_headers(message, *(header for header in _PREPARED if header[0] not in own))
            await send(message)

        await self._app(scope, receive, send_with_headers)
