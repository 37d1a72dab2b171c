"""How long anybody waits for the database, in seconds: each wait is shorter than what needs it."""

from dataclasses import dataclass

# For one of the pool's connections.
POOL_WAIT_SECONDS = 5.0
# A unit of work may hold a connection for this long; then the connection counts as lost. The server
# ends each statement before that, so that silence means that nobody is there.
HOLD_SECONDS = 5.0
STATEMENT_SECONDS = 4.0
# For a row or a table that others hold: far below the pool's wait, so that one row that is locked
# does not keep the connections from those who ask for others.
LOCK_SECONDS = 1.0
SQLITE_BUSY_SECONDS = 5.0
# Who asks for health has less time: a lock that is not to be had in this time is an answer too.
HEALTH_BUSY_SECONDS = 1.0
# In PostgreSQL, less than a check waits for a connection that may be lost.
HEALTH_LOCK_SECONDS = 0.5
# A connection is not kept longer than this, so that servers, poolers and passwords may change.
RECYCLE_SECONDS = 1800
# For a server to take leave of a connection; then it is cut.
CLOSE_SECONDS = 1.0


@dataclass(frozen=True)
class Limits:
    """The limits of one engine; None is for no limit."""

    hold_seconds: float | None = HOLD_SECONDS
    statement_seconds: float | None = STATEMENT_SECONDS
    lock_seconds: float | None = LOCK_SECONDS
    busy_seconds: float = SQLITE_BUSY_SECONDS

    @property
    def sql(self) -> str:
        """What follows a BEGIN to set the server's limits of that transaction.

        Not of the session: a pooler rejects them when it begins, or gives it to somebody else.
        """
        given = {
            "lock_timeout": self.lock_seconds,
            "statement_timeout": self.statement_seconds,
        }
        return "".join(
            f"SET LOCAL {name} = {seconds * 1000:.0f};"
            for name, seconds in given.items()
            if seconds is not None
        )


REQUESTS = Limits()
HEALTH = Limits(lock_seconds=HEALTH_LOCK_SECONDS, busy_seconds=HEALTH_BUSY_SECONDS)
# A statement of a migration may take hours, by limits that it sets itself. It polls for the lock.
MIGRATIONS = Limits(None, None, None, busy_seconds=HEALTH_BUSY_SECONDS)
