"""Deletes what nobody needs any more of accounts, as docs/reference/accounts.md says."""

from datetime import datetime, timedelta

from bookstore_api.db.sessions import WriteSession
from bookstore_api.shop.accounts import repository, session_repository
from bookstore_api.shop.accounts.backoff import TRUSTED_FOR

KEEP_SESSIONS = timedelta(days=7)


async def purge(session: WriteSession, now: datetime) -> None:
    """Delete sessions that are over, tokens that have expired, attempts that are forgotten."""
    await session_repository.purge(session, now - KEEP_SESSIONS)
    await repository.purge_resets(session, now)
    await repository.purge_attempts(session, now - TRUSTED_FOR)
