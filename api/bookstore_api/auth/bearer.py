"""The bearer token of a request (RFC 6750)."""

from starlette.types import Scope

from bookstore_api.telemetry.request_state import headers_of

MAX_TOKEN_BYTES = 4096
CHALLENGE = 'Bearer realm="bookstore"'
INVALID_TOKEN = f'{CHALLENGE}, error="invalid_token"'


def bearer_token(scope: Scope) -> str | None:
    """Return the bearer token of a request: None without one, "" where the header is malformed."""
    values = headers_of(scope).get(b"authorization")
    if not values:
        return None
    scheme, _, token = values[0].strip().partition(b" ")
    token = token.strip()
    if len(values) > 1 or scheme.lower() != b"bearer" or len(token) > MAX_TOKEN_BYTES:
        return ""
    return str(token, "latin-1")
