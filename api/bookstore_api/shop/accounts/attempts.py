"""Counts attempts to show a password. Each function runs in its caller's transaction."""

from datetime import datetime, timedelta

from bookstore_api.db.sessions import WriteSession
from bookstore_api.shop.accounts import repository
from bookstore_api.shop.accounts.backoff import Keys, failures_now, remaining_wait


async def count_attempt(session: WriteSession, keys: Keys, now: datetime) -> timedelta:
    """Count an attempt as failed until it succeeds, so that many at once are counted, too.

    Returns how long it has to wait instead, in which case it is not counted; zero if it need not.
    """
    rows = await repository.lock_attempts(session, keys, now)
    of_network, of_account = map(repository.to_attempts, rows)
    wait = remaining_wait(of_network, of_account, now)
    if not wait:
        for row in rows:
            row.failures = failures_now(repository.to_attempts(row), now) + 1
            row.last_at = now
        await session.flush()
    return wait


async def forget_failures(session: WriteSession, keys: Keys, now: datetime) -> None:
    """Begin to count again, after whoever it is has shown that the account is theirs."""
    for row in await repository.lock_attempts(session, keys, now):
        row.failures, row.last_at, row.succeeded_at = 0, now, now
    await session.flush()
