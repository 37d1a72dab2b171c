"""What a check finds of a dependency."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a dependency is.

    Degraded: it works, but not as it should. Unknown: it can't be checked while another one fails.
    """

    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """How one dependency is, and what to do; never a word of where it is or of who we are there.

    `code` says what is wrong, for programs. `latency` is in seconds, None where nothing answered.
    """

    dependency: str
    state: State
    message: str
    code: str = ""
    latency: float | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """What one check found, and of a database's schema also the revisions, where they are known."""

    items: tuple[Finding, ...]
    schema: tuple[str, ...] | None = None
