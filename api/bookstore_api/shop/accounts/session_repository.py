"""The SQL of sessions and their refresh tokens."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import delete, select, update

from bookstore_api.db.sessions import ReadSession, WriteSession
from bookstore_api.shop.accounts.models import Account, AccountSession, RefreshToken


class UsedToken(NamedTuple):
    """A refresh token that can't be used now, its session, and what became of both."""

    session: AccountSession
    used_at: datetime | None
    salt: str | None


class Member(NamedTuple):
    """A session that is live, and the account that it belongs to."""

    session: AccountSession
    account: Account


async def add(session: WriteSession, member: AccountSession, token: RefreshToken) -> None:
    """Add a session with its first token."""
    session.add(member)
    await session.flush()  # the token refers to it
    session.add(token)
    await session.flush()


async def add_token(session: WriteSession, token: RefreshToken) -> None:
    """Add a token to a session."""
    session.add(token)
    await session.flush()


async def use_token(
    session: WriteSession, token_hash: str, salt: str, now: datetime
) -> UUID | None:
    """Mark a token of a live session as used; its session, None if it can't be used.

    One statement: of two that come at once, the database lets one pass.
    """
    live = select(AccountSession.id).where(
        AccountSession.revoked_at.is_(None), AccountSession.expires_at > now
    )
    used = (
        update(RefreshToken)
        .where(
            RefreshToken.token_hash == token_hash,
            RefreshToken.used_at.is_(None),
            RefreshToken.session_id.in_(live),
        )
        .values(used_at=now, salt=salt)
        .returning(RefreshToken.session_id)
    )
    return await session.scalar(used.execution_options(synchronize_session=False))


async def forget_salts(session: WriteSession, session_id: UUID, *, but: str) -> None:
    """Forget what derives the successors of a session's tokens, but of one that is just used."""
    forgotten = update(RefreshToken).where(
        RefreshToken.session_id == session_id,
        RefreshToken.salt.is_not(None),
        RefreshToken.token_hash != but,
    )
    await session.execute(forgotten.values(salt=None).execution_options(synchronize_session=False))


async def find_token(session: ReadSession, token_hash: str) -> UsedToken | None:
    """Find a token with its session, or None."""
    query = (
        select(AccountSession, RefreshToken.used_at, RefreshToken.salt)
        .join(RefreshToken, RefreshToken.session_id == AccountSession.id)
        .where(RefreshToken.token_hash == token_hash)
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else UsedToken(*row)


async def is_unused(session: ReadSession, token_hash: str) -> bool:
    """Whether a token exists that was never used."""
    query = select(RefreshToken.used_at.is_(None)).where(RefreshToken.token_hash == token_hash)
    return bool(await session.scalar(query))


async def find_live(session: ReadSession, session_id: UUID, now: datetime) -> Member | None:
    """Find a session that is neither revoked nor over, of an account that may sign in, or None."""
    query = (
        select(AccountSession, Account)
        .join(Account, Account.id == AccountSession.account_id)
        .where(
            AccountSession.id == session_id,
            AccountSession.revoked_at.is_(None),
            AccountSession.expires_at > now,
            Account.disabled_at.is_(None),
            Account.erased_at.is_(None),
        )
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else Member(*row)


async def touch(session: WriteSession, session_id: UUID, now: datetime) -> None:
    """Note that a session is used."""
    used = update(AccountSession).where(AccountSession.id == session_id).values(used_at=now)
    await session.execute(used.execution_options(synchronize_session=False))


async def list_live(
    session: ReadSession, account_id: UUID, now: datetime
) -> Sequence[AccountSession]:
    """List an account's sessions that are neither revoked nor over, the newest first."""
    query = select(AccountSession).where(
        AccountSession.account_id == account_id,
        AccountSession.revoked_at.is_(None),
        AccountSession.expires_at > now,
    )
    return (await session.scalars(query.order_by(AccountSession.id.desc()))).all()


async def revoke(session: WriteSession, session_id: UUID, account_id: UUID, now: datetime) -> bool:
    """Revoke a session of an account; whether there was such a one to revoke."""
    revoked = (
        update(AccountSession)
        .where(
            AccountSession.id == session_id,
            AccountSession.account_id == account_id,
            AccountSession.revoked_at.is_(None),
        )
        .values(revoked_at=now)
        .returning(AccountSession.id)
    )
    found = await session.scalar(revoked.execution_options(synchronize_session=False))
    return found is not None


async def revoke_all(
    session: WriteSession, account_id: UUID, now: datetime, *, but: UUID | None = None
) -> None:
    """Revoke every session of an account, but one."""
    revoked = update(AccountSession).where(
        AccountSession.account_id == account_id, AccountSession.revoked_at.is_(None)
    )
    if but is not None:
        revoked = revoked.where(AccountSession.id != but)
    await session.execute(
        revoked.values(revoked_at=now).execution_options(synchronize_session=False)
    )


async def delete_all(session: WriteSession, account_id: UUID) -> None:
    """Delete every session of an account, with its tokens."""
    await session.execute(delete(AccountSession).where(AccountSession.account_id == account_id))


async def purge(session: WriteSession, before: datetime) -> None:
    """Delete sessions that were over before then, with their tokens."""
    await session.execute(delete(AccountSession).where(AccountSession.expires_at < before))
