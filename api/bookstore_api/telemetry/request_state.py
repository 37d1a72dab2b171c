"""What the layers around the app tell each other of one request and its answer."""

import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import cast

from starlette.types import Scope

# All that the API has anywhere: others are made up by whoever sends them.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
READS = frozenset({"GET", "HEAD", "OPTIONS"})  # methods that change nothing
UNMATCHED = "(unmatched)"  # scanners ask for anything: their paths stay out of logs and metrics
ABANDONED = 499  # as nginx calls it; no standard has a number for what nobody receives
_KEY = "bookstore.request_state"


@dataclass(slots=True)
class RequestState:
    """One request and its answer.

    `client` is the address that limits are counted by, found past the trusted proxies; `status` is
    0 until the answer begins; `abandoned` says that the client left before that; `error` names
    the kind of problem for the metrics, where the status alone does not; `started` is in seconds of
    `time.perf_counter`.
    """

    request_id: str
    client: str = ""
    status: int = 0
    abandoned: bool = False
    error: str = ""
    started: float = field(default_factory=time.perf_counter)

    @property
    def answered(self) -> bool:
        """Whether the answer has begun, so that no other can be given."""
        return self.status != 0

    @property
    def outcome(self) -> int:
        """The status for logs and metrics.

        499 where the client left before there was an answer; 500 where a fault left none to give,
        which is what the server then says.
        """
        if self.abandoned:
            return ABANDONED
        return self.status or HTTPStatus.INTERNAL_SERVER_ERROR

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.perf_counter() - self.started


def begin(scope: Scope, state: RequestState) -> None:
    """Put the state where the layers further in find it."""
    scope[_KEY] = state


def request_state(scope: Scope) -> RequestState:
    """Return the state of a request that passed the outermost layer."""
    return cast("RequestState", scope[_KEY])


def route_of(scope: Scope) -> str:
    """Name the template of the route, such as /api/v1/books/{book_id}, never the path itself."""
    route = scope.get("route") or _plain_route(scope)
    return str(getattr(route, "path", UNMATCHED))


def _plain_route(scope: Scope) -> object:
    """Find one of Starlette's own routes, such as /docs: of those, only the endpoint is told."""
    if (endpoint := scope.get("endpoint")) is None:
        return None
    routes = scope["app"].routes
    return next((route for route in routes if getattr(route, "endpoint", None) is endpoint), None)
