"""A request's id and its place in a trace (W3C Trace Context): read from headers, and made."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

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
