"""What accounts answer beside what the shop does. No message tells whether an account exists."""

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from math import ceil

from bookstore_api.auth.authenticator import UnauthenticatedError
from bookstore_api.auth.bearer import CHALLENGE
from bookstore_api.kit.problems import InvalidRequestError, ProblemError


class TooManyAttemptsError(ProblemError):
    """Signing in has failed too often: wait."""

    status = HTTPStatus.TOO_MANY_REQUESTS


def too_many_attempts(wait: timedelta) -> TooManyAttemptsError:
    """Make the answer to an attempt that comes too early."""
    headers: Mapping[str, str] = {"Retry-After": str(ceil(wait.total_seconds()))}
    return TooManyAttemptsError(
        "Too many attempts have failed: wait as long as Retry-After says.", headers=headers
    )


def wrong_credentials() -> UnauthenticatedError:
    """Make the one answer to every attempt to sign in that fails."""
    return UnauthenticatedError(
        "The e-mail address or the password is wrong.", headers={"WWW-Authenticate": CHALLENGE}
    )


def invalid_refresh_token() -> UnauthenticatedError:
    """Make the one answer to every refresh token that is not valid."""
    return UnauthenticatedError(
        "The refresh token is not valid any more: sign in again.",
        headers={"WWW-Authenticate": f'{CHALLENGE}, error="invalid_token"'},
    )


def session_ended() -> UnauthenticatedError:
    """Make the answer to an access token that is younger than the end of its session."""
    return UnauthenticatedError(
        "The session has ended: sign in again.",
        headers={"WWW-Authenticate": f'{CHALLENGE}, error="invalid_token"'},
    )


def wrong_password(field: str) -> InvalidRequestError:
    """Make the answer to a current password that is wrong."""
    return InvalidRequestError(f"body/{field}", "Not the current password", "wrong_password")


def weak_password(field: str, problem: str) -> InvalidRequestError:
    """Make the answer to a new password that is not accepted."""
    return InvalidRequestError(f"body/{field}", problem, "weak_password")


def invalid_reset_token() -> InvalidRequestError:
    """Make the answer to a mailed token that is not valid."""
    return InvalidRequestError(
        "body/token", "Not valid, or not any more: ask for another mail", "invalid_token"
    )
