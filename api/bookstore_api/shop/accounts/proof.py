"""The proof that whoever has an access token also knows the password, before much is at stake.

A stolen token must not be enough to guess the password: attempts are counted as those to sign in.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from bookstore_api.auth.passwords import Passwords
from bookstore_api.auth.principal import Principal
from bookstore_api.db.sessions import WriteSession
from bookstore_api.kit.sessions import Writer
from bookstore_api.shop.accounts.accounts import live_account
from bookstore_api.shop.accounts.attempts import count_attempt, forget_failures
from bookstore_api.shop.accounts.backoff import keys_of
from bookstore_api.shop.accounts.errors import too_many_attempts, wrong_password
from bookstore_api.shop.accounts.models import Account
from bookstore_api.telemetry.metrics import count_authentication

CREDENTIAL = "current-password"

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, repr=False)
class Proof:
    """A password that was sent, in which field of the body, from where."""

    password: str
    field: str
    network: str


async def prove_password(
    write: Writer, passwords: Passwords, caller: Principal, proof: Proof
) -> Account:
    """Return the caller's account if this is its password.

    Raises InvalidRequestError of the field, TooManyAttemptsError, UnauthenticatedError.
    """

    async def count(session: WriteSession) -> tuple[Account, timedelta]:
        account = await live_account(session, caller)
        keys = keys_of(account.email_key or "", proof.network)
        return account, await count_attempt(session, keys, datetime.now(UTC))

    account, wait = await write(count)
    if wait:
        _reject("throttled")
        raise too_many_attempts(wait)
    if not await passwords.verify(account.password_hash, proof.password):
        _reject("rejected")
        raise wrong_password(proof.field)
    count_authentication(CREDENTIAL, "accepted")
    keys = keys_of(account.email_key or "", proof.network)
    await write(lambda session: forget_failures(session, keys, datetime.now(UTC)))
    return account


def _reject(outcome: str) -> None:
    count_authentication(CREDENTIAL, outcome)
    log.warning("current password", outcome=outcome)
