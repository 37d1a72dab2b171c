"""The SQL of stored answers; all of it."""

import hashlib
from datetime import datetime

from sqlalchemy import BigInteger, cast, delete, func, literal, select

from bookstore_api.db.sessions import ReadSession, WriteSession
from bookstore_api.shop.idempotency.models import IdempotencyKey

PURGE_ROWS = 1000


async def try_lock(session: WriteSession, *names: str) -> bool:
    """Lock a key until this transaction ends; whether nobody else has it locked.

    SQLite has one writer: whoever comes here is the only one.
    """
    if session.get_bind().dialect.name == "sqlite":
        return True
    digest = hashlib.blake2b("\0".join(names).encode(), digest_size=8).digest()
    number = cast(literal(int.from_bytes(digest, signed=True), BigInteger()), BigInteger())
    return bool(await session.scalar(select(func.pg_try_advisory_xact_lock(number))))


async def find(
    session: ReadSession, scope: str, route: str, key_hash: str
) -> IdempotencyKey | None:
    """Find the answer to a key, or None."""
    return await session.get(IdempotencyKey, (scope, route, key_hash))


async def replace(
    session: WriteSession, stored: IdempotencyKey, old: IdempotencyKey | None
) -> None:
    """Store an answer, in the place of one that has expired where there is one."""
    if old is not None:
        await session.delete(old)
        await session.flush()
    session.add(stored)
    await session.flush()


async def purge(session: WriteSession, now: datetime) -> int:
    """Delete some answers that have expired; how many."""
    keys = (IdempotencyKey.scope, IdempotencyKey.route, IdempotencyKey.key_hash)
    query = select(*keys).where(IdempotencyKey.expires_at <= now).limit(PURGE_ROWS)
    expired = (await session.execute(query.with_for_update(skip_locked=True))).all()
    for scope, route, key_hash in expired:
        which = (
            IdempotencyKey.scope == scope,
            IdempotencyKey.route == route,
            IdempotencyKey.key_hash == key_hash,
        )
        await session.execute(delete(IdempotencyKey).where(*which))
    return len(expired)


async def delete_of(session: WriteSession, scope: str) -> None:
    """Delete all answers that somebody got."""
    await session.execute(delete(IdempotencyKey).where(IdempotencyKey.scope == scope))
