"""Routes that say who may use them: a class for each, which a domain's router makes all routes of.

Each authenticates before it reads anything else, so that whoever is not let in learns nothing from
how a body or a path is validated. A dependency would run too late: FastAPI parses the body first.
"""

from collections.abc import Callable
from typing import Any, ClassVar, cast

from fastapi import Request, Response

from bookstore_api.auth import authenticator, staff
from bookstore_api.auth.authenticator import Access, Authenticator
from bookstore_api.kit.problems import describe
from bookstore_api.kit.routing import Handler, Route
from bookstore_api.telemetry.request_state import READS

_SECURITY: dict[Access, list[dict[str, list[str]]]] = {
    Access.ACCOUNT: [{authenticator.SCHEME_NAME: []}],
    Access.STAFF: [{staff.SCHEME_NAME: []}, {authenticator.SCHEME_NAME: []}],
    Access.ADMIN: [{authenticator.SCHEME_NAME: []}],
}


class GuardedRoute(Route):
    """A route that says who may read and who may write by it."""

    reads: ClassVar[Access]
    writes: ClassVar[Access]

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        writes = not READS.issuperset(options.get("methods") or {"GET"})
        self.access = self.writes if writes else self.reads
        problems = {401, 403} if self.access is not Access.PUBLIC else set()
        problems |= {408, 413, 415} if writes else set()
        options["responses"] = {**describe(*problems), **(options.get("responses") or {})}
        if security := _SECURITY.get(self.access):
            options["openapi_extra"] = {
                "security": security,
                **(options.get("openapi_extra") or {}),
            }
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Handler:
        """Authenticate before anything else."""
        handle = super().get_route_handler()
        if self.access is Access.PUBLIC:
            return handle

        async def authenticate_first(request: Request) -> Response:
            guard = cast("Authenticator", request.state.authenticator)
            request.state.principal = await guard.authenticate(request.scope, self.access)
            return await handle(request)

        return authenticate_first


class PublicRoute(GuardedRoute):
    """A route for everybody: what it is sent says what they may."""

    reads = writes = Access.PUBLIC


class StaffRoute(GuardedRoute):
    """A route that everybody reads, and the staff and its programs write."""

    reads, writes = Access.PUBLIC, Access.STAFF


class BackOfficeRoute(GuardedRoute):
    """A route that only the staff and its programs use, also to read."""

    reads = writes = Access.STAFF


class AccountRoute(GuardedRoute):
    """A route for what belongs to the account that asks."""

    reads = writes = Access.ACCOUNT


class AdminRoute(GuardedRoute):
    """A route for admins."""

    reads = writes = Access.ADMIN
