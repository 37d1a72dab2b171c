"""The audit log's SQL; all of it."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from bookstore_api.db.sessions import ReadSession, WriteSession
from bookstore_api.shop.audit.models import AuditEntry


async def add(session: WriteSession, entry: AuditEntry) -> None:
    """Add an entry."""
    session.add(entry)
    await session.flush()


async def of_object(session: ReadSession, object_id: UUID) -> Sequence[AuditEntry]:
    """List the changes of an object, the oldest first."""
    query = select(AuditEntry).where(AuditEntry.object_id == object_id)
    return (await session.scalars(query.order_by(AuditEntry.at, AuditEntry.id))).all()
