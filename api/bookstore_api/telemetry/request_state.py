"""One request and its answer: the state that the server, the middleware and the routes share.

The server creates it from the request's head, or the outermost middleware where the server is
another one. It is in the scope, for the middleware, and in a context variable, for log lines and
for requests that we make ourselves: tasks and threads that a request starts see it too.
"""

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import cast

from starlette.types import Scope

from bookstore_api.telemetry.trace_context import (
    REQUEST_ID_HEADER,
    TRACEPARENT_HEADER,
    Trace,
    new_request_id,
    parse_traceparent,
    valid_request_id,
)

# All that the API has anywhere: others are made up by whoever sends them.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
READS = frozenset({"GET", "HEAD", "OPTIONS"})  # methods that change nothing
UNMATCHED = "(unmatched)"  # scanners ask for anything: their paths stay out of logs and metrics
ABANDONED = 499  # as nginx calls it; no standard has a number for what nobody receives

_KEY = "bookstore.request_state"
_REQUEST_ID = REQUEST_ID_HEADER.encode()
_TRACEPARENT = TRACEPARENT_HEADER.encode()

# A request's headers by name, in lower case; of each the values, as they came.
Headers = Mapping[bytes, Sequence[bytes]]


def group_headers(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Group a request's headers by name, once for all that read them."""
    grouped: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        if name in grouped:
            grouped[name].append(value)
        else:
            grouped[name] = [value]
    return grouped


@dataclass(slots=True)
class RequestState:
    """One request and its answer.

    `client` is the address that limits are counted by, behind the trusted proxies; `status` is
    0 until the answer begins; `abandoned` says that the client left before that; `error` names
    the kind of problem for the metrics, where the status alone does not; `started` is in seconds of
    `time.perf_counter`; `expires` says when the connection is too old, in seconds of
    `time.monotonic`; `fields` is what each of its log lines carries.
    """

    request_id: str
    trace: Trace | None = None
    headers: Headers = field(default_factory=dict)
    expires: float = math.inf
    client: str = ""
    status: int = 0
    abandoned: bool = False
    ended: bool = False
    error: str = ""
    started: float = field(default_factory=time.perf_counter)
    fields: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.fields = {"request_id": self.request_id}
        if self.trace is not None:
            self.fields["trace_id"] = self.trace.trace_id
            self.fields["span_id"] = self.trace.span_id

    @classmethod
    def of(cls, headers: Headers, expires: float = math.inf) -> "RequestState":
        """Create the state of a request, with its own id if that is valid, else a new one."""
        request_id = valid_request_id(headers.get(_REQUEST_ID, ())) or new_request_id()
        trace = parse_traceparent(headers.get(_TRACEPARENT, ()))
        return cls(request_id, trace, headers, expires)

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

    @property
    def connection_expired(self) -> bool:
        """Whether the connection it came by has reached its maximum age."""
        return time.monotonic() >= self.expires


def put_state(scope: Scope, state: RequestState) -> None:
    """Put the state into the scope."""
    scope[_KEY] = state


def ensure_state(scope: Scope) -> RequestState:
    """Return the state that the server has created, else create it."""
    state = find_state(scope)
    if state is None:
        state = RequestState.of(group_headers(scope["headers"]))
        put_state(scope, state)
    return state


def find_state(scope: Scope) -> RequestState | None:
    """Return the state of a request; None if neither server nor middleware created it."""
    return cast("RequestState | None", scope.get(_KEY))


def request_state(scope: Scope) -> RequestState:
    """Return the state of a request that passed the outermost layer."""
    return cast("RequestState", scope[_KEY])


def headers_of(scope: Scope) -> Headers:
    """Return a request's headers by name."""
    state = find_state(scope)
    return group_headers(scope["headers"]) if state is None else state.headers


_CURRENT: ContextVar[RequestState | None] = ContextVar("bookstore_request", default=None)


def current() -> RequestState | None:
    """Return the request that is being handled.

    None also when it has ended: a pooled connection keeps the context it was opened in, and its
    lines an hour later are not about that request.
    """
    state = _CURRENT.get()
    return None if state is None or state.ended else state


def enter(state: RequestState) -> Token[RequestState | None]:
    """Work for this request from here on; the token is for `leave`."""
    return _CURRENT.set(state)


def leave(state: RequestState, token: Token[RequestState | None]) -> None:
    """End the request, and work for whichever one was before."""
    state.ended = True
    _CURRENT.reset(token)


@contextmanager
def working_for(state: RequestState) -> Iterator[RequestState]:
    """Work for this request in the block."""
    token = enter(state)
    try:
        yield state
    finally:
        leave(state, token)


def outgoing_headers() -> dict[str, str]:
    """Return the headers by which a request that we make belongs to the one we work for."""
    state = current()
    if state is None:
        return {}
    headers = {REQUEST_ID_HEADER: state.request_id}
    if state.trace is not None:
        headers[TRACEPARENT_HEADER] = state.trace.header
    return headers


def route_of(scope: Scope) -> str:
    """Name the template of the route, such as /api/v1/books/{book_id}, never the path itself."""
    route = scope.get("route") or _plain_route(scope)
    return str(getattr(route, "path", UNMATCHED))


def _plain_route(scope: Scope) -> object:
    """Find one of Starlette's own routes, such as /docs, whose scope has only the endpoint."""
    if (endpoint := scope.get("endpoint")) is None:
        return None
    routes = scope["app"].routes
    return next((route for route in routes if getattr(route, "endpoint", None) is endpoint), None)
