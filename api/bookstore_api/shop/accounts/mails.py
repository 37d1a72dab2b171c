"""The mails of accounts: each made when it is sent, so that no token waits in the outbox."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from bookstore_api.db.sessions import WriteSession
from bookstore_api.shop.accounts import repository
from bookstore_api.shop.accounts.digests import digest, new_secret
from bookstore_api.shop.accounts.models import Account, PasswordReset
from bookstore_api.shop.mail import Mail, Occasion
from bookstore_api.shop.outbox.service import enqueue

PASSWORD_RESET = "password-reset"  # noqa: S105 - the kind of a mail
PASSWORD_CHANGED = "password-changed"  # noqa: S105 - the same
RESET_VALID_FOR = timedelta(hours=1)
NEWS_VALID_FOR = timedelta(days=2)


async def enqueue_reset(session: WriteSession, account: Account | None) -> None:
    """Enqueue the mail with a token; without an account, one that is dropped when it is its turn.

    So what is written, and how long it takes, does not tell whether there is an account.
    """
    payload = {"account_id": str(account.id) if account else None}
    await enqueue(session, PASSWORD_RESET, payload, valid_for=RESET_VALID_FOR)


async def enqueue_changed(session: WriteSession, account: Account) -> None:
    """Enqueue the mail that a password was changed."""
    payload = {"account_id": str(account.id)}
    await enqueue(session, PASSWORD_CHANGED, payload, valid_for=NEWS_VALID_FOR)


async def compose_reset(session: WriteSession, occasion: Occasion) -> Mail | None:
    """Make the mail with a token to set a new password, and store the token's digest."""
    account = await _account(session, occasion)
    if account is None or account.email is None:
        return None
    token = new_secret()
    reset = PasswordReset(
        token_hash=digest(token),
        account_id=account.id,
        created_at=datetime.now(UTC),
        expires_at=occasion.expires_at,
    )
    await repository.add_reset(session, reset)
    return Mail(
        account.email,
        "Set a new password",
        "Somebody, hopefully you, asked to set a new password for your account.\n\n"
        f"Follow this link by {occasion.expires_at:%Y-%m-%d %H:%M} UTC:\n\n"
        f"{occasion.public_url}/password-reset#token={token}\n\n"
        "If it was not you, ignore this mail: your password stays as it is.\n",
    )


async def compose_changed(session: WriteSession, occasion: Occasion) -> Mail | None:
    """Make the mail that a password was changed."""
    account = await _account(session, occasion)
    if account is None or account.email is None:
        return None
    return Mail(
        account.email,
        "Your password was changed",
        "The password of your account was changed, and you were signed out everywhere else.\n\n"
        "If it was not you, set a new password at once:\n\n"
        f"{occasion.public_url}/password-reset\n",
    )


async def _account(session: WriteSession, occasion: Occasion) -> Account | None:
    """Return the account that a mail is for, unless it can't sign in any more."""
    id_ = occasion.payload.get("account_id")
    account = await repository.find(session, UUID(id_)) if id_ else None
    if account is None or account.disabled_at is not None:
        return None
    return account


COMPOSERS = {PASSWORD_RESET: compose_reset, PASSWORD_CHANGED: compose_changed}
