"""Proof that this code works on the database's schema: its own reads and writes, rolled back."""

from datetime import UTC, datetime

from bookstore_api.auth.principal import Role
from bookstore_api.db.sessions import WriteSession
from bookstore_api.kit.ids import new_id
from bookstore_api.shop.accounts import accounts, repository, session_repository, sessions
from bookstore_api.shop.accounts.attempts import count_attempt, forget_failures
from bookstore_api.shop.accounts.backoff import keys_of
from bookstore_api.shop.accounts.digests import digest, new_secret
from bookstore_api.shop.accounts.models import PasswordReset


async def self_test(session: WriteSession) -> None:
    """Register, sign in, refresh twice and reset; whatever the database says is raised."""
    now = datetime.now(UTC)
    email = f"{new_id().hex}@self-test.example"
    account = await accounts.register(session, email, "Nobody", "no-hash", Role.CUSTOMER)
    await repository.find_by_email(session, email)
    await repository.find_locked(session, account.id)
    await repository.page(session, after=None, limit=1)
    keys = keys_of(email, "nowhere")
    await count_attempt(session, keys, now)
    await forget_failures(session, keys, now)
    begun, token = await sessions.begin(session, account, "self-test", now)
    await sessions.rotate(session, token, now)
    await sessions.rotate(session, token, now)
    await session_repository.list_live(session, account.id, now)
    await session_repository.revoke(session, begun.id, account.id, now)
    reset = digest(new_secret())
    await repository.add_reset(
        session,
        PasswordReset(token_hash=reset, account_id=account.id, created_at=now, expires_at=now),
    )
    await repository.take_resets(session, reset, now)
    await repository.delete_resets(session, account.id)
    await session_repository.delete_all(session, account.id)
