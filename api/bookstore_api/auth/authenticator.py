"""Finds out who sends a request, and whether a route lets them in."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from enum import Enum
from http import HTTPStatus

import structlog
from starlette.types import Scope

from bookstore_api.auth import tokens
from bookstore_api.auth.bearer import CHALLENGE, INVALID_TOKEN, bearer_token
from bookstore_api.auth.principal import AUTOMATION, Principal, Role
from bookstore_api.auth.staff import Staff
from bookstore_api.kit.key_ring import KeyRing
from bookstore_api.kit.problems import ProblemError
from bookstore_api.settings import Settings
from bookstore_api.telemetry.metrics import count_authentication
from bookstore_api.telemetry.pseudonyms import pseudonym

SCHEME_NAME = "accessToken"
SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "The access token of an account's session, which is valid for 15 minutes.",
}

# The current role of a session's account; None where either is not live any more.
LiveRole = Callable[[Principal], Awaitable[Role | None]]

log = structlog.stdlib.get_logger(__name__)


class Access(Enum):
    """Who may use a route."""

    PUBLIC = "public"
    ACCOUNT = "account"  # any account, for what is its own
    STAFF = "staff"  # accounts of staff and admins, and the staff token
    ADMIN = "admin"

    @property
    def role(self) -> Role:
        """The least role that is let in."""
        return {Access.STAFF: Role.STAFF, Access.ADMIN: Role.ADMIN}.get(self, Role.CUSTOMER)


class UnauthenticatedError(ProblemError):
    """The request does not say who sends it, or not validly."""

    status = HTTPStatus.UNAUTHORIZED


class ForbiddenError(ProblemError):
    """Whoever sends the request may not do this."""

    status = HTTPStatus.FORBIDDEN


class Authenticator:
    """Authenticates and authorizes requests before anything else of them is read."""

    def __init__(self, settings: Settings, keys: KeyRing, live_role: LiveRole) -> None:
        self._staff = Staff(settings)
        self._keys = keys
        self._live_role = live_role

    async def authenticate(self, scope: Scope, access: Access) -> Principal | None:
        """Return who sends a request, None where a route is public and nobody asked.

        Raises UnauthenticatedError, ForbiddenError, StaffTokenError, and ProblemErrors with 503.
        """
        if access is Access.PUBLIC:
            return None
        token = bearer_token(scope)
        if token and tokens.is_access_token(token):
            return await self._of_access_token(token, access)
        if access is Access.STAFF:
            await self._staff.authenticate(token)
            return AUTOMATION
        count_authentication("access-token", "missing" if token is None else "malformed")
        raise _unauthenticated(CHALLENGE if token is None else INVALID_TOKEN)

    async def _of_access_token(self, token: str, access: Access) -> Principal:
        try:
            principal = tokens.verify(await self._keys.current(), token, datetime.now(UTC))
        except tokens.InvalidTokenError as error:
            raise _rejected(error.code, token) from None
        # For 15 minutes a token of an account outlives its session; not where much is at stake.
        if access.role is not Role.CUSTOMER:
            role = await self._live_role(principal)
            if role is None:
                raise _rejected("revoked", token)
            principal = Principal(role, principal.account_id, principal.session_id)
        if not principal.role.includes(access.role):
            count_authentication("access-token", "forbidden")
            msg = f"This takes an account with the role {access.role}."
            raise ForbiddenError(msg)
        count_authentication("access-token", "accepted")
        return principal


def _rejected(code: str, token: str) -> UnauthenticatedError:
    count_authentication("access-token", code)
    log.warning("access token", outcome=code, token=pseudonym(token))
    return _unauthenticated(INVALID_TOKEN)


def _unauthenticated(challenge: str) -> UnauthenticatedError:
    return UnauthenticatedError(
        "This takes the access token of an account, valid for 15 minutes: sign in, or refresh it, "
        "and send it as `Authorization: Bearer …`.",
        headers={"WWW-Authenticate": challenge},
    )
