"""At most one migration of a database at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

# The number of our advisory lock: any that is the same in all versions of this code.
LOCK_ID = 0x626F6F6B73746F72  # "bookstor"
POLL_SECONDS = 0.2


class LockedError(Exception):
    """Another migration held the lock for longer than this one would wait."""


@asynccontextmanager
async def migration_lock(engine: AsyncEngine, *, wait_seconds: float) -> AsyncIterator[None]:
    """Hold PostgreSQL's advisory lock; raises LockedError after `wait_seconds`.

    It is held by a session of its own, which ends with the process that is killed. That session
    is in no transaction, and it polls: a waiter that blocks would hold a snapshot, for which
    CREATE INDEX CONCURRENTLY in the other migration would wait in turn.
    """
    deadline = asyncio.get_running_loop().time() + wait_seconds
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        attempt = text("SELECT pg_try_advisory_lock(:id)").bindparams(id=LOCK_ID)
        while not await connection.scalar(attempt):
            if asyncio.get_running_loop().time() >= deadline:
                raise LockedError
            await asyncio.sleep(POLL_SECONDS)
        try:
            yield
        finally:
            await connection.execute(text("SELECT pg_advisory_unlock(:id)").bindparams(id=LOCK_ID))
