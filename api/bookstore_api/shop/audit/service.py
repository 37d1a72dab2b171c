"""Records what the staff changes, in the transaction of the change."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from bookstore_api.auth.principal import Principal
from bookstore_api.db.sessions import WriteSession
from bookstore_api.kit.ids import new_id
from bookstore_api.shop.audit import repository
from bookstore_api.shop.audit.models import AuditEntry
from bookstore_api.telemetry import request_state

AUTOMATION = "automation"
COMMAND = "command"


@dataclass(frozen=True)
class Change:
    """What was done to which object; `before` and `after` hold only what changed.

    Personal data is not for them: the log is kept when an account is erased.
    """

    action: str
    object_kind: str
    object_id: UUID
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


async def record(session: WriteSession, who: Principal | None, change: Change) -> None:
    """Add a change to the log; `who` is None for a command, which has no request."""
    state = request_state.current()
    await repository.add(
        session,
        AuditEntry(
            id=new_id(),
            at=datetime.now(UTC),
            actor=_actor(who),
            actor_id=who.account_id if who else None,
            action=change.action,
            object_kind=change.object_kind,
            object_id=change.object_id,
            before=dict(change.before) if change.before else None,
            after=dict(change.after) if change.after else None,
            request_id=state.request_id if state else None,
        ),
    )


def _actor(who: Principal | None) -> str:
    if who is None:
        return COMMAND
    return who.role.value if who.account_id else AUTOMATION
