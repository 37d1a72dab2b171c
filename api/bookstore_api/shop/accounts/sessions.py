"""Sessions: begun by signing in, kept by refresh tokens, listed and revoked.

A refresh token is valid once, and then its successor is. Whoever uses one again has either lost
the answer, or is not the only one who has the token. For GRACE the first is assumed, while nobody
has used the successor: it is derived, so the answer is the same token again, and a session never
has two that are valid. Otherwise the session ends, for both of them (RFC 9700, 4.14.2).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from bookstore_api.db.sessions import WriteSession
from bookstore_api.kit.ids import new_id
from bookstore_api.shop.accounts import session_repository as repository
from bookstore_api.shop.accounts.digests import digest, new_salt, new_secret, successor
from bookstore_api.shop.accounts.models import AGENT_LENGTH, Account, AccountSession, RefreshToken
from bookstore_api.shop.accounts.session_repository import Member

LIFETIME = timedelta(days=30)
GRACE = timedelta(seconds=10)


class Outcome(StrEnum):
    """What became of a refresh token that was sent."""

    ROTATED = "rotated"
    REPEATED = "repeated"  # its answer was lost, and is given again
    REUSED = "reused"  # the session is revoked
    ENDED = "ended"  # the session was over before
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Rotation:
    """The outcome, and where it is one, the session with its new refresh token."""

    outcome: Outcome
    member: Member | None = None
    token: str = ""


async def begin(
    session: WriteSession, account: Account, user_agent: str | None, now: datetime
) -> tuple[AccountSession, str]:
    """Begin a session; it and its first refresh token."""
    begun = AccountSession(
        id=new_id(),
        account_id=account.id,
        user_agent=user_agent[:AGENT_LENGTH] if user_agent else None,
        created_at=now,
        used_at=now,
        expires_at=now + LIFETIME,
        revoked_at=None,
    )
    token = new_secret()
    await repository.add(session, begun, _row(token, begun.id, now))
    return begun, token


async def rotate(session: WriteSession, token: str, now: datetime) -> Rotation:
    """Exchange a refresh token for its successor.

    It raises nothing where the token is not valid, for what it writes then has to be committed.
    """
    salt = new_salt()
    session_id = await repository.use_token(session, digest(token), salt, now)
    if session_id is None:
        return await _explain(session, token, now)
    member = await repository.find_live(session, session_id, now)
    if member is None:  # the account was disabled or erased
        return Rotation(Outcome.ENDED)
    following = successor(token, salt)
    await repository.add_token(session, _row(following, session_id, now))
    await repository.forget_salts(session, session_id, but=digest(token))
    await repository.touch(session, session_id, now)
    return Rotation(Outcome.ROTATED, member, following)


async def _explain(session: WriteSession, token: str, now: datetime) -> Rotation:
    """Find out why a token could not be used, and revoke its session if it was used before."""
    found = await repository.find_token(session, digest(token))
    if found is None:
        return Rotation(Outcome.UNKNOWN)
    member = await repository.find_live(session, found.session.id, now)
    if member is None:
        return Rotation(Outcome.ENDED)
    if found.used_at is not None and found.salt is not None and now - found.used_at <= GRACE:
        following = successor(token, found.salt)
        if await repository.is_unused(session, digest(following)):
            return Rotation(Outcome.REPEATED, member, following)
    await repository.revoke(session, found.session.id, found.session.account_id, now)
    return Rotation(Outcome.REUSED)


def _row(token: str, session_id: UUID, now: datetime) -> RefreshToken:
    return RefreshToken(
        token_hash=digest(token), session_id=session_id, created_at=now, used_at=None, salt=None
    )
