"""`spec.backup`: dumps of the database on a schedule."""

from __future__ import annotations

from pydantic import Field

from bookstore_operator.crd.base import (
    Part,
    group,
)
from bookstore_operator.crd.spec.storage import Storage


class Backup(Part):
    """Dumps of the database on a schedule, kept on a volume."""

    schedule: str = Field(
        description="When, as a cron line in UTC: `17 3 * * *`.",
        pattern=r"^(@(hourly|daily|weekly|monthly)|\S+ \S+ \S+ \S+ \S+)$",
        max_length=100,
    )
    keep: int = Field(7, ge=1, le=1000, description="How many dumps are kept.")
    storage: Storage = group(Storage, "Where the dumps are kept.")
    timeout_seconds: int = Field(
        3600, ge=60, le=86400, description="How long one backup may take, in seconds."
    )
    suspend: bool = Field(False, description="Start no further backups.")
