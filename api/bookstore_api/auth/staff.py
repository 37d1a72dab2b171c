"""The staff token: what programs, which have no account, write with."""

import asyncio
import hmac
from enum import StrEnum
from hashlib import sha256
from http import HTTPStatus

import structlog

from bookstore_api.auth.bearer import CHALLENGE
from bookstore_api.kit.problems import ProblemError
from bookstore_api.settings import Environment, Settings, SettingsError
from bookstore_api.telemetry.metrics import STAFF_ATTEMPTS
from bookstore_api.telemetry.pseudonyms import pseudonym

SCHEME_NAME = "staffToken"
SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "description": "The staff token, for programs. In development, writes are open while none is "
    "set.",
}

log = structlog.stdlib.get_logger(__name__)


class Attempt(StrEnum):
    """The result of checking the staff token of one write."""

    ACCEPTED = "accepted"
    OPEN = "open"  # development, and no token set
    MISSING = "missing"
    MALFORMED = "malformed"
    REJECTED = "rejected"
    UNAVAILABLE = "unavailable"  # the secret can't be read at the moment


_COUNTERS = {attempt: STAFF_ATTEMPTS.labels(attempt) for attempt in Attempt}


class StaffTokenError(ProblemError):
    """The request does not carry the staff token."""

    status = HTTPStatus.UNAUTHORIZED


class StaffUnavailableError(ProblemError):
    """The staff token can't be read at the moment, so nobody can be authenticated."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class Staff:
    """Authenticates writes by the current staff token: the mounted secret is read for each."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._is_development = settings.environment is Environment.DEVELOPMENT

    async def authenticate(self, token: str | None) -> None:
        """Count and log a write's attempt; raises StaffTokenError and StaffUnavailableError."""
        attempt = await self._check(token)
        _COUNTERS[attempt].inc()
        rejected = attempt not in {Attempt.ACCEPTED, Attempt.OPEN}
        write_line = log.warning if rejected else log.info
        write_line("staff token", outcome=attempt.value, token=pseudonym(token) if token else None)
        if attempt is Attempt.UNAVAILABLE:
            msg = "The staff token can't be checked at the moment. Try again."
            raise StaffUnavailableError(msg, headers={"Retry-After": "2"})
        if rejected:
            wrong = ', error="invalid_token"' if attempt is Attempt.REJECTED else ""
            raise StaffTokenError(
                "Writing takes the staff token, or the access token of an account of the staff: "
                "send it as `Authorization: Bearer …`.",
                headers={"WWW-Authenticate": CHALLENGE + wrong},
            )

    async def _check(self, token: str | None) -> Attempt:
        try:
            # In a thread: a volume that hangs must not stop the requests of everybody else.
            expected = await asyncio.to_thread(self._settings.secret_now, "staff_token")
        except SettingsError:
            return Attempt.UNAVAILABLE
        if expected is None and self._is_development:
            return Attempt.OPEN
        if token is None:
            return Attempt.MISSING
        if not token:
            return Attempt.MALFORMED
        # Digests have one length, so the time it takes reveals neither the token's length nor how
        # much of it is right. Without an expected token, every request is rejected.
        same = hmac.compare_digest(_digest(token, "latin-1"), _digest(expected or "", "utf-8"))
        return Attempt.ACCEPTED if same and expected else Attempt.REJECTED


def _digest(token: str, encoding: str) -> bytes:
    return sha256(token.encode(encoding)).digest()


def warn_if_open(settings: Settings) -> None:
    """Log a warning where anybody may write; raises SettingsError."""
    development = settings.environment is Environment.DEVELOPMENT
    if development and settings.secret_now("staff_token") is None:
        log.warning("writes are open to everybody: no staff token is set")
