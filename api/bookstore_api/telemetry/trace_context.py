"""Which request the code at hand works for: its id and its place in a trace (W3C Trace Context).

The outermost layer enters it, log lines carry it, and requests that we make ourselves pass it on.
It is kept in a context variable: tasks and threads that a request starts see it too.
"""

import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, field

REQUEST_ID_HEADER = "x-request-id"
TRACEPARENT_HEADER = "traceparent"

# Neither an address nor an e-mail nor a signed token can be written in these.
_SANE_ID = re.compile(rb"[A-Za-z0-9_-]{1,64}")
_TRACEPARENT = re.compile(
    rb"(?P<version>(?!ff)[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})"
    rb"-(?P<span>(?!0{16})[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Trace:
    """The caller's trace and its span in it, as lower-case hexadecimal digits."""

    trace_id: str
    span_id: str
    sampled: bool

    @property
    def header(self) -> str:
        """Write it as a `traceparent`.

        We keep no spans of our own, so whoever we call is told the caller's: a span of ours that
        nobody recorded would tear the trace apart.
        """
        return f"00-{self.trace_id}-{self.span_id}-{int(self.sampled):02x}"


@dataclass(slots=True)
class RequestContext:
    """One request; `fields` is what each of its log lines carries."""

    request_id: str
    trace: Trace | None = None
    ended: bool = False
    fields: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.fields = {"request_id": self.request_id}
        if self.trace is not None:
            self.fields["trace_id"] = self.trace.trace_id
            self.fields["span_id"] = self.trace.span_id


_CURRENT: ContextVar[RequestContext | None] = ContextVar("bookstore_request", default=None)


def current() -> RequestContext | None:
    """Return the request that is worked for.

    None as well when it has ended: a pooled connection keeps the context it was opened in, and its
    lines an hour later are not about that request.
    """
    context = _CURRENT.get()
    return None if context is None or context.ended else context


def enter(context: RequestContext) -> Token[RequestContext | None]:
    """Work for this request from here on; the token is for `leave`."""
    return _CURRENT.set(context)


def leave(context: RequestContext, token: Token[RequestContext | None]) -> None:
    """End the request, and work for whichever one was before."""
    context.ended = True
    _CURRENT.reset(token)


@contextmanager
def working_for(context: RequestContext) -> Iterator[RequestContext]:
    """Work for this request in the block."""
    token = enter(context)
    try:
        yield context
    finally:
        leave(context, token)


def outgoing_headers() -> dict[str, str]:
    """Return the headers by which a request that we make belongs to the one we work for."""
    context = current()
    if context is None:
        return {}
    headers = {REQUEST_ID_HEADER: context.request_id}
    if context.trace is not None:
        headers[TRACEPARENT_HEADER] = context.trace.header
    return headers


def new_request_id() -> str:
    """Make an id: 32 random hexadecimal digits."""
    return secrets.token_hex(16)


def sane_request_id(values: Sequence[bytes]) -> str | None:
    """Take the id out of a request's headers of that name: only a single harmless one."""
    if len(values) == 1 and _SANE_ID.fullmatch(values[0]):
        return values[0].decode("ascii")
    return None


def parse_traceparent(values: Sequence[bytes]) -> Trace | None:
    """Read a request's `traceparent` headers as strictly as W3C asks: a wrong one is none.

    Versions to come are read by their first four fields, with no others known.
    """
    if len(values) != 1 or (found := _TRACEPARENT.fullmatch(values[0])) is None:
        return None
    if found["version"] == b"00" and found["more"] is not None:
        return None
    sampled = bool(int(found["flags"], 16) & 1)
    return Trace(found["trace"].decode("ascii"), found["span"].decode("ascii"), sampled)
