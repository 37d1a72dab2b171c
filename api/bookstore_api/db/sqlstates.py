"""What PostgreSQL's error codes mean for a request: its own fault, or worth another try.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

FailureCode = Literal[
    "unreachable", "authentication-failed", "read-only", "busy", "no-resources", "failed"
]


@dataclass(frozen=True)
class Failure:
    """Why the database could not be used, without a word of what was sent to it.

    With `repeatable`, the whole transaction had no effect and may succeed if it is run again.
    """

    code: FailureCode
    message: str
    repeatable: bool = False

    @property
    def temporary(self) -> bool:
        """Whether the same request may succeed later, without a change of this code."""
        return self.code != "failed"

    @property
    def outcome(self) -> str:
        """The code of a command that ended for this: those that the contract names."""
        return COMMAND_CODES.get(self.code, self.code)


# The operator retries these without counting an attempt.
COMMAND_CODES: Mapping[str, str] = MappingProxyType(
    {"read-only": "unreachable", "busy": "locked", "no-resources": "unreachable"}
)

UNREACHABLE = Failure(
    "unreachable",
    "The database does not answer: check that it runs, and the host and port of its URI.",
    repeatable=True,
)
AUTHENTICATION_FAILED = Failure(
    "authentication-failed",
    "The database rejected the user or the password: check the secret with its URI.",
)
READ_ONLY = Failure(
    "read-only",
    "The database accepts no writes: it is a replica, or default_transaction_read_only is on. "
    "Connect to the primary; with several hosts, add target_session_attrs=read-write to the URI.",
)
POOL_EXHAUSTED = Failure(
    "busy",
    "Requests use every connection of this process: look for slow queries, or raise "
    "BOOKSTORE_DATABASE_POOL_SIZE.",
)
NO_CONNECTION_TO_SPARE = Failure(
    "unreachable",
    "The database has no connection to spare: raise its max_connections (or the limit of the user "
    "or database), or lower BOOKSTORE_DATABASE_POOL_SIZE.",
    repeatable=True,  # with one of those that this process has
)
POOLED_STATEMENT = Failure(
    "unreachable",
    "A connection pooler handed the session to another server connection: use PgBouncer in "
    "session or transaction mode.",
    repeatable=True,
)
_CONFLICT = Failure(
    "busy", "Other transactions changed the same data at the same time.", repeatable=True
)

# By code, else by class (the first two characters).
_MEANINGS: Mapping[str, Failure] = MappingProxyType(
    {
        "08": UNREACHABLE,
        "08P01": Failure(
            "unreachable",
            "The connection pooler before the database refused the connection, or lost its own: "
            "look at the pooler's log.",
        ),
        "22P05": Failure(
            "failed",
            "The database's encoding can't hold all of Unicode: create it with ENCODING 'UTF8'.",
        ),
        "25006": READ_ONLY,
        "25P03": Failure("busy", "A transaction was idle for longer than the server allows."),
        "25P04": Failure("busy", "A transaction took longer than the server allows."),
        "26000": POOLED_STATEMENT,  # the prepared statement is another connection's
        "28": AUTHENTICATION_FAILED,
        "3D000": Failure(
            "unreachable", "The server has no database of the name in the URI: create it first."
        ),
        "3F000": Failure(
            "failed",
            "No schema that the search_path names exists: CREATE SCHEMA, or change the search_path "
            "(ALTER ROLE, ALTER DATABASE, or `options` of the URI).",
        ),
        "40001": _CONFLICT,
        "40003": Failure("busy", "It is not known whether a statement was completed."),
        "40P01": _CONFLICT,
        "42P05": POOLED_STATEMENT,
        "42501": Failure(
            "failed", "The database's user lacks a privilege: GRANT it, or use the tables' owner."
        ),
        "53": Failure("no-resources", "The database server lacks a resource: see its log."),
        "53100": Failure("no-resources", "The database's disk is full: make room, or enlarge it."),
        "53200": Failure("no-resources", "The database server is out of memory."),
        "53300": NO_CONNECTION_TO_SPARE,
        "55006": Failure("busy", "Another session uses the object."),
        "55P03": Failure(
            "busy",
            "Another transaction holds a lock: look for long transactions in pg_stat_activity.",
        ),
        "57": UNREACHABLE,
        "57014": Failure(
            "busy",
            "A statement took too long and was canceled: look at the database's load and locks.",
        ),
        "57P03": Failure(
            "unreachable", "The database starts up, shuts down or recovers: wait for it."
        ),
        "58": Failure("no-resources", "The database can't use its storage: see its log."),
        "72000": _CONFLICT,  # snapshot too old
    }
)


def meaning_of(states: Iterable[str]) -> Failure | None:
    """Return what the first known code among these means; None where none is known."""
    for state in states:
        if meaning := _MEANINGS.get(state) or _MEANINGS.get(state[:2]):
            return meaning
    return None
