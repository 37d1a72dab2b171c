"""Does what a request asks for once, however often it is sent with one key.

The answer is stored in the transaction of what it tells of, so either both are there or neither.
Only an answer of success is stored: a failure has changed nothing, and what was in the way may be
gone when the request is sent again.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from bookstore_api.auth.principal import Principal
from bookstore_api.db.sessions import WriteSession
from bookstore_api.kit.errors import ConflictError
from bookstore_api.kit.problems import InvalidRequestError
from bookstore_api.shop.idempotency import repository
from bookstore_api.shop.idempotency.models import IdempotencyKey

RETENTION = timedelta(hours=24)
_AUTOMATION = "automation"


@dataclass(frozen=True)
class RequestKey:
    """Whose request it is, where it was sent, the digest of its key, and that of what it asks."""

    scope: str
    route: str
    key_hash: str
    fingerprint: str


@dataclass(frozen=True)
class Answer:
    """An answer of success, as it is sent and stored."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    repeated: bool = False


def make_key(who: Principal, route: str, key: str, asked: bytes) -> RequestKey:
    """Make the key of a request: of the account, or of all who send the staff token."""
    return RequestKey(
        scope_of(who.account_id) if who.account_id else _AUTOMATION,
        route,
        _digest(key.encode()),
        _digest(asked),
    )


def scope_of(account_id: UUID) -> str:
    """Return the scope of an account's keys: others may use the same."""
    return account_id.hex


async def once(
    session: WriteSession, key: RequestKey, work: Callable[[], Awaitable[Answer]]
) -> Answer:
    """Return the stored answer to a key, else do the work and store its answer.

    Raises ConflictError while another request has the key, InvalidRequestError where the key was
    used for something else, and what the work raises.
    """
    names = (key.scope, key.route, key.key_hash)
    if not await repository.try_lock(session, *names):
        msg = "A request with this Idempotency-Key is not answered yet: send it again later."
        raise ConflictError(msg)
    now = datetime.now(UTC)
    stored = await repository.find(session, *names)
    if stored is not None and stored.expires_at > now:
        return _stored_answer(stored, key)
    answer = await work()
    await repository.replace(session, _to_store(key, answer, now), stored)
    return answer


def _stored_answer(stored: IdempotencyKey, key: RequestKey) -> Answer:
    if stored.fingerprint != key.fingerprint:
        message = "It was sent with another request: use a new key for each"
        raise InvalidRequestError("header/idempotency-key", message, "reused")
    return Answer(stored.status, stored.body, stored.headers, repeated=True)


def _to_store(key: RequestKey, answer: Answer, now: datetime) -> IdempotencyKey:
    return IdempotencyKey(
        scope=key.scope,
        route=key.route,
        key_hash=key.key_hash,
        fingerprint=key.fingerprint,
        status=answer.status,
        headers=dict(answer.headers),
        body=answer.body,
        created_at=now,
        expires_at=now + RETENTION,
    )


def _digest(what: bytes) -> str:
    return hashlib.sha256(what).hexdigest()
