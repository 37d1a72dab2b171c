"""The keys that sign the cursors of lists: in the database, so that all processes share them.

A migration makes the first. They keep nothing secret but the form of a cursor, so they are no
mounted secret. To rotate, insert a row: the newest signs, all of them verify; delete a key when
nobody is on the way through a list any more.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import String, select
from sqlalchemy.orm import Mapped, mapped_column

from bookstore_api.db.orm import Base, UtcDateTime
from bookstore_api.db.sessions import ReadSession

FRESH_SECONDS = 60.0


class CursorKey(Base):
    """A key."""

    __tablename__ = "cursor_keys"

    secret: Mapped[str] = mapped_column(String(64), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())


class CursorKeys:
    """The keys as this process has read them, at most FRESH_SECONDS ago."""

    def __init__(self) -> None:
        self._keys: Sequence[bytes] = ()
        self._stale_at = 0.0

    async def read(self, session: ReadSession) -> Sequence[bytes]:
        """Return the keys, the newest first."""
        now = asyncio.get_running_loop().time()
        if not self._keys or now >= self._stale_at:
            newest = select(CursorKey.secret).order_by(CursorKey.created_at.desc())
            secrets = (await session.scalars(newest)).all()
            self._keys = [secret.encode() for secret in secrets]
            self._stale_at = now + FRESH_SECONDS
        return self._keys
