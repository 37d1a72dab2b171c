"""Changing a password: by whoever knows the current one, or has a token that was mailed.

Both end every other session and make every mailed token invalid: whoever got in by the old password
is out, and an old mail is worth nothing.
"""

from datetime import UTC, datetime
from uuid import UUID

import structlog

from bookstore_api.auth.passwords import Passwords, weakness
from bookstore_api.auth.principal import Principal
from bookstore_api.db.sessions import WriteSession
from bookstore_api.kit.sessions import Writer
from bookstore_api.shop.accounts import mails, repository
from bookstore_api.shop.accounts import session_repository as session_rows
from bookstore_api.shop.accounts.accounts import live_account
from bookstore_api.shop.accounts.attempts import forget_failures
from bookstore_api.shop.accounts.backoff import keys_of
from bookstore_api.shop.accounts.digests import digest
from bookstore_api.shop.accounts.emails import email_key
from bookstore_api.shop.accounts.errors import invalid_reset_token, weak_password
from bookstore_api.shop.accounts.models import Account
from bookstore_api.shop.accounts.proof import Proof, prove_password
from bookstore_api.shop.accounts.schemas import (
    PasswordChange,
    PasswordResetConfirmation,
    PasswordResetRequest,
)
from bookstore_api.telemetry.metrics import count_authentication

log = structlog.stdlib.get_logger(__name__)


async def change_password(
    write: Writer, passwords: Passwords, caller: Principal, network: str, body: PasswordChange
) -> None:
    """Change the caller's password; raises ProblemErrors."""
    proof = Proof(body.current_password.get_secret_value(), "current_password", network)
    account = await prove_password(write, passwords, caller, proof)
    new = body.new_password.get_secret_value()
    if problem := weakness(new, email=account.email or ""):
        raise weak_password("new_password", problem)
    new_hash = await passwords.hash(new)

    async def change(session: WriteSession) -> None:
        changed = await live_account(session, caller, locked=True)
        await _set_password(session, changed, new_hash, keep=caller.session_id)

    await write(change)
    log.info("password changed")


async def request_reset(write: Writer, body: PasswordResetRequest) -> None:
    """Have a token mailed, if there is such an account."""

    async def enqueue(session: WriteSession) -> None:
        account = await repository.find_by_email(session, email_key(body.email))
        await mails.enqueue_reset(session, account)

    await write(enqueue)
    count_authentication("password-reset", "requested")


async def confirm_reset(
    write: Writer, passwords: Passwords, network: str, body: PasswordResetConfirmation
) -> None:
    """Set a new password by a mailed token; raises InvalidRequestError, PasswordsBusyError."""
    new = body.new_password.get_secret_value()
    if problem := weakness(new, email=""):
        raise weak_password("new_password", problem)
    new_hash = await passwords.hash(new)
    token_hash = digest(body.token.get_secret_value())

    async def set_password(session: WriteSession) -> bool:
        now = datetime.now(UTC)
        account_id = await repository.take_resets(session, token_hash, now)
        account = await repository.find_locked(session, account_id) if account_id else None
        if account is None or account.disabled_at is not None or account.email_key is None:
            return False
        await _set_password(session, account, new_hash, keep=None)
        await forget_failures(session, keys_of(account.email_key, network), now)
        return True

    if not await write(set_password):
        count_authentication("password-reset", "rejected")
        log.warning("password reset", outcome="rejected")
        raise invalid_reset_token()
    count_authentication("password-reset", "accepted")
    log.info("password reset", outcome="accepted")


async def _set_password(
    session: WriteSession, account: Account, new_hash: str, *, keep: UUID | None
) -> None:
    now = datetime.now(UTC)
    account.password_hash = new_hash
    account.updated_at = now
    account.version += 1
    await repository.save(session, account)
    await session_rows.revoke_all(session, account.id, now, but=keep)
    await repository.delete_resets(session, account.id)
    await mails.enqueue_changed(session, account)
