"""The SQL of accounts and of their passwords."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, literal, select, tuple_
from sqlalchemy.exc import IntegrityError

from bookstore_api.auth.principal import Role
from bookstore_api.db.errors import violates
from bookstore_api.db.sessions import ReadSession, WriteSession
from bookstore_api.db.upsert import insert_if_absent
from bookstore_api.kit.cursors import Place
from bookstore_api.shop.accounts.backoff import Attempts, Keys
from bookstore_api.shop.accounts.models import (
    UNIQUE_EMAIL,
    Account,
    PasswordReset,
    SignInAttempts,
)


class DuplicateEmailError(Exception):
    """Another account has this address."""


async def find(session: ReadSession, id_: UUID) -> Account | None:
    """Find an account, or None."""
    return await session.get(Account, id_)


async def find_locked(session: WriteSession, id_: UUID) -> Account | None:
    """Find an account and keep others from changing it until this transaction ends, or None."""
    query = select(Account).where(Account.id == id_).with_for_update()
    return await session.scalar(query.execution_options(populate_existing=True))


async def find_by_email(session: ReadSession, email_key: str) -> Account | None:
    """Find the account with an address, or None."""
    return await session.scalar(select(Account).where(Account.email_key == email_key))


async def page(session: ReadSession, *, after: Place | None, limit: int) -> Sequence[Account]:
    """At most `limit` accounts that are not erased, by address, after a place in that order."""
    query = select(Account).where(Account.email_key.is_not(None))
    if after is not None:
        place = tuple_(
            literal(after.key, Account.email_key.type), literal(after.id, Account.id.type)
        )
        query = query.where(tuple_(Account.email_key, Account.id) > place)
    query = query.order_by(Account.email_key, Account.id).limit(limit)
    return (await session.scalars(query)).all()


async def lock_admins(session: WriteSession) -> Sequence[UUID]:
    """List all admins who can sign in, and keep others from changing them."""
    query = select(Account.id).where(
        Account.role == Role.ADMIN.value,
        Account.disabled_at.is_(None),
        Account.erased_at.is_(None),
    )
    return (await session.scalars(query.order_by(Account.id).with_for_update())).all()


async def save(session: WriteSession, account: Account) -> None:
    """Send a new or changed account to the database; raises DuplicateEmailError."""
    session.add(account)
    try:
        await session.flush()
    except IntegrityError as error:
        if violates(error, UNIQUE_EMAIL):
            raise DuplicateEmailError from error
        raise


async def add_reset(session: WriteSession, reset: PasswordReset) -> None:
    """Add a token to set a new password with."""
    session.add(reset)
    await session.flush()


async def take_resets(session: WriteSession, token_hash: str, now: datetime) -> UUID | None:
    """Use up a token, and all others of its account; whose it was, None if it is not valid."""
    taken = delete(PasswordReset).where(
        PasswordReset.token_hash == token_hash, PasswordReset.expires_at > now
    )
    account_id = await session.scalar(taken.returning(PasswordReset.account_id))
    if account_id is not None:
        await delete_resets(session, account_id)
    return account_id


async def delete_resets(session: WriteSession, account_id: UUID) -> None:
    """Make all tokens to set a new password of an account invalid."""
    await session.execute(delete(PasswordReset).where(PasswordReset.account_id == account_id))


async def lock_attempts(
    session: WriteSession, keys: Keys, now: datetime
) -> tuple[SignInAttempts, SignInAttempts]:
    """Return what is stored of these attempts, of network and account, and lock it.

    In the order of the keys, or two attempts would wait for one another.
    """
    rows = [{"key": key, "failures": 0, "last_at": now} for key in sorted(keys)]
    await insert_if_absent(session, SignInAttempts, rows)
    query = select(SignInAttempts).where(SignInAttempts.key.in_(keys))
    locked = (await session.scalars(query.order_by(SignInAttempts.key).with_for_update())).all()
    stored = {row.key: row for row in locked}
    return stored[keys.network], stored[keys.account]


async def purge_attempts(session: WriteSession, before: datetime) -> None:
    """Forget attempts that are older."""
    await session.execute(delete(SignInAttempts).where(SignInAttempts.last_at < before))


async def purge_resets(session: WriteSession, now: datetime) -> None:
    """Delete tokens that have expired."""
    await session.execute(delete(PasswordReset).where(PasswordReset.expires_at <= now))


def to_attempts(row: SignInAttempts) -> Attempts:
    """Return what the rules need of a row."""
    return Attempts(row.failures, row.last_at, row.succeeded_at)
