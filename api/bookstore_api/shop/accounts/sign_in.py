"""Signing in: an attempt is counted before its password is checked, and known or not takes as long.

The check takes some 30 ms of a processor, so it is in no transaction: what it was of may have
changed meanwhile, and is compared again in the one that begins the session.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from bookstore_api.auth.passwords import Passwords
from bookstore_api.db.sessions import WriteSession
from bookstore_api.kit.sessions import Writer
from bookstore_api.shop.accounts import repository, sessions
from bookstore_api.shop.accounts.attempts import count_attempt, forget_failures
from bookstore_api.shop.accounts.backoff import Keys, keys_of
from bookstore_api.shop.accounts.emails import email_key
from bookstore_api.shop.accounts.errors import too_many_attempts, wrong_credentials
from bookstore_api.shop.accounts.models import Account
from bookstore_api.shop.accounts.schemas import SignIn
from bookstore_api.shop.accounts.session_repository import Member
from bookstore_api.telemetry.metrics import count_authentication
from bookstore_api.telemetry.pseudonyms import pseudonym

CREDENTIAL = "password"

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Client:
    """Where an attempt comes from: a network address as limits count it, and a name."""

    network: str
    user_agent: str | None


@dataclass(frozen=True)
class _Attempt:
    """What is known before the password is checked."""

    wait: timedelta
    account_id: UUID | None = None
    password_hash: str | None = None


@dataclass(frozen=True)
class SignedIn:
    """A session that has just begun."""

    member: Member
    refresh_token: str


async def sign_in(write: Writer, passwords: Passwords, body: SignIn, client: Client) -> SignedIn:
    """Begin a session; raises UnauthenticatedError, TooManyAttemptsError, PasswordsBusyError."""
    key = email_key(body.email)
    keys = keys_of(key, client.network)
    attempt = await write(lambda session: _count_attempt(session, keys, key))
    if attempt.wait:
        _report("throttled", key)
        raise too_many_attempts(attempt.wait)
    password = body.password.get_secret_value()
    if not await passwords.verify(attempt.password_hash, password):
        _report("rejected", key)
        raise wrong_credentials()
    new_hash = await _rehashed(passwords, attempt.password_hash, password)
    begun = await write(lambda session: _begin(session, attempt, keys, client, new_hash))
    if begun is None:
        _report("rejected", key)
        raise wrong_credentials()
    _report("accepted", key)
    return begun


async def _count_attempt(session: WriteSession, keys: Keys, key: str) -> _Attempt:
    wait = await count_attempt(session, keys, datetime.now(UTC))
    account = await repository.find_by_email(session, key)
    if wait or account is None:
        return _Attempt(wait)
    return _Attempt(wait, account.id, account.password_hash)


async def _begin(
    session: WriteSession, attempt: _Attempt, keys: Keys, client: Client, new_hash: str | None
) -> SignedIn | None:
    """Begin the session, unless the account has changed since its password was read."""
    if attempt.account_id is None:
        return None
    now = datetime.now(UTC)
    account = await repository.find_locked(session, attempt.account_id)
    if account is None or not _may_sign_in(account, attempt.password_hash):
        return None
    await forget_failures(session, keys, now)
    if new_hash is not None:
        account.password_hash = new_hash
    begun, token = await sessions.begin(session, account, client.user_agent, now)
    return SignedIn(Member(begun, account), token)


def _may_sign_in(account: Account, password_hash: str | None) -> bool:
    return account.disabled_at is None and account.password_hash == password_hash


async def _rehashed(passwords: Passwords, stored: str | None, password: str) -> str | None:
    """Return a new hash where the stored one has older parameters than new ones have."""
    if stored is None or not passwords.is_outdated(stored):
        return None
    return await passwords.hash(password)


def _report(outcome: str, key: str) -> None:
    count_authentication(CREDENTIAL, outcome)
    write_line = log.info if outcome == "accepted" else log.warning
    write_line("sign-in", outcome=outcome, account=pseudonym(key))
