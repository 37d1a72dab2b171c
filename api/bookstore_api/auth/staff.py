"""Who may write: until there are accounts, whoever shows the staff token."""

import hmac
from collections.abc import Callable, Coroutine
from enum import StrEnum
from hashlib import sha256
from http import HTTPStatus
from typing import Any, cast

import structlog
from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import Scope

from bookstore_api.kit.problems import ProblemError, describe
from bookstore_api.settings import Environment, Settings, SettingsError
from bookstore_api.telemetry.metrics import STAFF_ATTEMPTS
from bookstore_api.telemetry.pseudonyms import pseudonym
from bookstore_api.telemetry.request_state import READS, headers_of

SCHEME_NAME = "staffToken"
SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "description": "The staff token. In development, writes are open while none is set.",
}
MAX_TOKEN_BYTES = 4096
CHALLENGE = 'Bearer realm="bookstore"'

log = structlog.stdlib.get_logger(__name__)


class Attempt(StrEnum):
    """How an attempt to write went."""

    ACCEPTED = "accepted"
    OPEN = "open"  # development, and no token set
    MISSING = "missing"
    MALFORMED = "malformed"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"  # the secret can't be read at the moment


_COUNTERS = {outcome: STAFF_ATTEMPTS.labels(outcome) for outcome in Attempt}


class StaffTokenError(ProblemError):
    """The request does not show the staff token."""

    status = HTTPStatus.UNAUTHORIZED


class StaffUnavailableError(ProblemError):
    """Nobody can be told from staff at the moment."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class Staff:
    """Tells staff by the token as it is now: the mounted secret is read again for each write."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._is_development = settings.environment is Environment.DEVELOPMENT

    def admit(self, scope: Scope) -> None:
        """Let a request pass; raises StaffTokenError and StaffUnavailableError. Both are logged."""
        given = _given_token(scope)
        outcome = self._judge(given)
        _COUNTERS[outcome].inc()
        refused = outcome not in {Attempt.ACCEPTED, Attempt.OPEN}
        tried = pseudonym(given) if given else None
        if refused:
            log.warning("staff token", outcome=outcome.value, token=tried)
        else:
            log.info("staff token", outcome=outcome.value, token=tried)
        if outcome is Attempt.UNAVAILABLE:
            msg = "The staff token can't be checked at the moment. Try again."
            raise StaffUnavailableError(msg, headers={"Retry-After": "2"})
        if refused:
            wrong = ', error="invalid_token"' if outcome is Attempt.REFUSED else ""
            raise StaffTokenError(
                "Writing takes the staff token: send it as `Authorization: Bearer …`.",
                headers={"WWW-Authenticate": CHALLENGE + wrong},
            )

    def _judge(self, given: str | None) -> Attempt:
        try:
            expected = self._settings.staff_token_now()
        except SettingsError:
            return Attempt.UNAVAILABLE
        if expected is None and self._is_development:
            return Attempt.OPEN
        if given is None:
            return Attempt.MISSING
        if not given:
            return Attempt.MALFORMED
        # Digests are of one length, so that the time tells nothing of the token's, and of a right
        # beginning neither. Without a token to expect, nobody is let in.
        same = hmac.compare_digest(_digest(given, "latin-1"), _digest(expected or "", "utf-8"))
        return Attempt.ACCEPTED if same and expected else Attempt.REFUSED


def _given_token(scope: Scope) -> str | None:
    """Return the token that a request shows: None without any, empty where it is not shown well."""
    values = headers_of(scope).get(b"authorization")
    if not values:
        return None
    scheme, _, token = values[0].strip().partition(b" ")
    token = token.strip()
    if len(values) > 1 or scheme.lower() != b"bearer" or len(token) > MAX_TOKEN_BYTES:
        return ""
    return str(token, "latin-1")


def _digest(token: str, encoding: str) -> bytes:
    return sha256(token.encode(encoding)).digest()


def warn_if_open(settings: Settings) -> None:
    """Log it where anybody may write; raises SettingsError."""
    development = settings.environment is Environment.DEVELOPMENT
    if development and settings.staff_token_now() is None:
        log.warning("writes are open to everybody: no staff token is set")


class StaffRoute(APIRoute):
    """A route that asks for the staff token, unless it only reads, before it reads anything else.

    So whoever has no token learns nothing from how a body or a path is judged. A dependency would
    come too late: FastAPI parses the body first.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self.writes = not READS.issuperset(options.get("methods") or {"GET"})
        if self.writes:
            options["responses"] = {
                **describe(401, 408, 413, 415),
                **(options.get("responses") or {}),
            }
            options["openapi_extra"] = {
                "security": [{SCHEME_NAME: []}],
                **(options.get("openapi_extra") or {}),
            }
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Put the question before FastAPI's own handling."""
        handle: Callable[[Request], Coroutine[Any, Any, Response]] = super().get_route_handler()
        if not self.writes:
            return handle

        async def ask_first(request: Request) -> Response:
            cast("Staff", request.state.staff).admit(request.scope)
            return await handle(request)

        return ask_first
