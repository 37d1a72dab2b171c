"""`spec.backup`: scheduled backups of the database."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from bookstore_operator.crd.base import NULLABLE, Part, Quantity, group, rules
from bookstore_operator.crd.spec.backup_target import BackupTarget, Encryption
from bookstore_operator.crd.spec.resources import Resources, default_resources
from bookstore_operator.crd.spec.storage import DEFAULT_SIZE, Storage

DEFAULT_KEEP = 7
_Kept = Annotated[int, Field(ge=0, le=1000)]


def _schedule(description: str) -> Any:
    return Field(
        description=description,
        pattern=r"^(@(hourly|daily|weekly|monthly)|\S+ \S+ \S+ \S+ \S+)$",
        max_length=100,
    )


class BeforeMigration(StrEnum):
    """Whether a migration needs a backup."""

    MAX_AGE = "maxAge"
    ALWAYS = "always"
    SKIP = "skip"


class Retention(Part):
    """Which backups are kept: those that any rule keeps. Only good ones count."""

    keep_last: _Kept = Field(0, description="Number of the newest backups to keep.")
    keep_daily: _Kept = Field(
        0, description="Number of days in UTC whose newest backup is kept, of days that have one."
    )
    keep_weekly: _Kept = Field(0, description="The same by ISO weeks.")
    keep_monthly: _Kept = Field(0, description="The same by months.")
    minimum: int = Field(
        1, ge=1, le=1000, description="Number of the newest backups that are always kept."
    )


class Drill(Part):
    """A restore into a database that is made for it and dropped, to prove and measure a backup."""

    schedule: str = _schedule(
        "Schedule in cron format, in `backup.timeZone`: best an hour after the backups, because a "
        "volume may be on one node only. Suspended with the backups. Example: `17 5 * * 0`."
    )
    timeout_seconds: int = Field(
        3600, ge=60, le=86400, description="Time limit of one drill, in seconds."
    )
    size: Quantity = Field(
        "2Gi",
        description="Most disk space of the node that the restored database may take.",
    )
    resources: Resources = group(
        default_resources("100m", "256Mi", "1Gi"),
        "CPU and memory of the PostgreSQL of a drill. The container that restores has "
        "`backup.resources`.",
    )


class Backup(
    Part,
    json_schema_extra=rules(
        (
            f"!has(self.retention) || self.keep == {DEFAULT_KEEP}",
            "only one of backup.keep and backup.retention may be set: remove keep, which is "
            "retention.keepLast",
        ),
        (
            f"!has(self.target) || !has(self.storage) || string(self.storage.size) == "
            f"'{DEFAULT_SIZE}' && !has(self.storage.storageClassName)",
            "only one of backup.storage and backup.target may be set: remove storage, which is "
            "target.volume",
        ),
        (
            "self.timeZone != 'Local'",
            "backup.timeZone must be a name of the IANA time zone database, such as Europe/Berlin",
        ),
    ),
):
    """Scheduled backups of the database."""

    schedule: str = _schedule("Schedule in cron format, in `timeZone`. Example: `17 3 * * *`.")
    time_zone: str = Field(
        "Etc/UTC",
        max_length=64,
        pattern=r"^[A-Za-z][-+_A-Za-z0-9]*(/[-+_A-Za-z0-9]+)*$",
        description="Time zone of the schedule, a name of the IANA time zone database. Example: "
        "`Europe/Berlin`.",
    )
    target: BackupTarget | None = Field(
        None,
        description="Where backups are stored. Defaults to the volume of `storage`. Backups stay "
        "where they are when it is changed.",
        json_schema_extra=NULLABLE,
    )
    retention: Retention | None = Field(
        None,
        description="Which backups are kept. Defaults to the last ones, as many as `keep` says.",
        json_schema_extra=NULLABLE,
    )
    encryption: Encryption | None = Field(
        None, description="Keys that backups are encrypted with. Not encrypted if unset."
    )
    drill: Drill | None = Field(None, description="Scheduled restores that prove the backups.")
    keep: int = Field(
        DEFAULT_KEEP,
        ge=1,
        le=1000,
        description="Number of backups to keep if `retention` is not set.",
    )
    storage: Storage = group(
        Storage, "Volume that the backups are stored on if `target` is not set."
    )
    timeout_seconds: int = Field(
        3600, ge=60, le=86400, description="Time limit of one backup, in seconds."
    )
    before_migration: BeforeMigration = Field(
        BeforeMigration.MAX_AGE,
        description="Whether a release backs up the database before its migration: `maxAge`, "
        "unless a backup that succeeded began at most `maxAgeSeconds` ago; `always`, unless one "
        "has begun since the release began; or `skip`.",
    )
    max_age_seconds: int = Field(
        86400,
        ge=60,
        le=31536000,
        description="Age up to which a backup protects a migration, in seconds, counted from its "
        "begin.",
    )
    suspend: bool = Field(
        False,
        description="Suspend further backups, also those before a migration, which then waits, and "
        "drills. A running one is not affected.",
    )
    resources: Resources = group(
        default_resources("50m", "64Mi", "512Mi"), "CPU and memory of a backup's Pod."
    )

    @property
    def volume(self) -> Storage | None:
        """The volume that backups are stored on; None if they are stored in a bucket."""
        return self.storage if self.target is None else self.target.volume

    @property
    def volume_field(self) -> str:
        """The path of the field that describes the volume."""
        return "spec.backup.storage" if self.target is None else "spec.backup.target.volume"

    @property
    def kept(self) -> Retention:
        """Which backups are kept."""
        return self.retention or Retention(keep_last=self.keep)
