"""A request's id and its place in a trace (W3C Trace Context): read from headers, or generated."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

REQUEST_ID_HEADER = "x-request-id"
TRACEPARENT_HEADER = "traceparent"

# Neither an address nor an e-mail nor a signed token can be written in these.
_VALID_ID = re.compile(rb"[A-Za-z0-9_-]{1,64}")
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

        We keep no spans of our own, so services that we call get the caller's: a span of ours
        that nobody recorded would break the trace.
        """
        return f"00-{self.trace_id}-{self.span_id}-{int(self.sampled):02x}"


def new_request_id() -> str:
    """Generate an id: 32 random hexadecimal digits."""
    return secrets.token_hex(16)


def valid_request_id(values: Sequence[bytes]) -> str | None:
    """Return the id in a request's headers of that name: only a single harmless one."""
    if len(values) == 1 and _VALID_ID.fullmatch(values[0]):
        return values[0].decode("ascii")
    return None


def parse_traceparent(values: Sequence[bytes]) -> Trace | None:
    """Read a request's `traceparent` headers as strictly as W3C asks; None if invalid.

    Of later versions only the first four fields are read.
    """
    if len(values) != 1 or (match := _TRACEPARENT.fullmatch(values[0])) is None:
        return None
    if match["version"] == b"00" and match["more"] is not None:
        return None
    sampled = bool(int(match["flags"], 16) & 1)
    return Trace(match["trace"].decode("ascii"), match["span"].decode("ascii"), sampled)
