"""The lock in the database: of backups, restores and migrations, at most one is at work."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from bookstore_backup.errors import BackupError, Code
from bookstore_backup.postgres.connection import (
    Connection,
    Database,
    connected,
    fetch,
    fetch_value,
    reported,
)

# The number that the migrations of the API take, too (docs/reference/migrations.md): "bookstor".
LOCK_ID = 0x626F6F6B73746F72
POLL_SECONDS = 0.2
POOLER_ATTEMPTS = 3
_HOLDER = """
SELECT a.pid, coalesce(nullif(a.application_name, ''), 'a program without a name'), a.backend_start
FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::bigint << 32 | l.objid::bigint) = %s
"""


@contextmanager
def locked(database: Database, wait_seconds: float) -> Iterator[Connection]:
    """Open a connection that holds the lock for the block; raises BackupError.

    The lock is the session's: it ends with the process that holds it, however that ends. Waiters
    poll and are in no transaction, since a waiting snapshot would hold up whoever has the lock.
    """
    with connected(database) as connection:
        with reported(f"Locking {database.where}"):
            _reject_pooler(database, connection)
            _poll(database, connection, wait_seconds)
        yield connection


def _poll(database: Database, connection: Connection, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    while not fetch_value(connection, "SELECT pg_try_advisory_lock(%s)", LOCK_ID):
        if time.monotonic() >= deadline:
            raise BackupError(
                Code.DATABASE_LOCKED,
                f"Another backup, a restore or a migration is at work on {database.where}, and was "
                f"not done within {wait_seconds:g} s: {_holder(connection)}. Wait for it, or run "
                "this again later.",
            )
        time.sleep(POLL_SECONDS)


def _holder(connection: Connection) -> str:
    rows = fetch(connection, _HOLDER, LOCK_ID)
    if not rows:
        return "it has just ended"
    pid, program, since = rows[0]
    return f"{program}, process {pid} of the server, since {since:%Y-%m-%d %H:%M:%S %Z}"


def _reject_pooler(database: Database, connection: Connection) -> None:
    """Raise BackupError if sessions are shared: a lock and settings would be somebody else's.

    In transaction mode a pooler hands the session that just answered to whoever asks next.
    """
    ask = "SELECT pg_backend_pid()"
    with connected(database) as other:
        for _ in range(POOLER_ATTEMPTS):
            before = fetch_value(connection, ask)
            with other.transaction():
                taken = fetch_value(other, ask)
                after = fetch_value(connection, ask)
            if before == taken or before != after:
                raise BackupError(
                    Code.POOLER,
                    f"The URI of {database.where} leads to a connection pooler in transaction "
                    "mode, where a session can hold no lock and no snapshot. Give a URI of the "
                    "server itself.",
                )
