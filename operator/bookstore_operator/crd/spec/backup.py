"""`spec.backup`: scheduled dumps of the database."""

from enum import StrEnum

from pydantic import Field

from bookstore_operator.crd.base import Part, group
from bookstore_operator.crd.spec.resources import Resources, default_resources
from bookstore_operator.crd.spec.storage import Storage


class BeforeMigration(StrEnum):
    """Whether a migration needs a backup."""

    MAX_AGE = "maxAge"
    ALWAYS = "always"
    SKIP = "skip"


class Backup(Part):
    """Scheduled dumps of the database, stored on a volume."""

    schedule: str = Field(
        description="Schedule in cron format, in UTC. Example: `17 3 * * *`.",
        pattern=r"^(@(hourly|daily|weekly|monthly)|\S+ \S+ \S+ \S+ \S+)$",
        max_length=100,
    )
    keep: int = Field(7, ge=1, le=1000, description="Number of dumps to keep.")
    storage: Storage = group(Storage, "Volume that the dumps are stored on.")
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
        description="Suspend further backups, also those before a migration, which then waits. A "
        "running one is not affected.",
    )
    resources: Resources = group(
        default_resources("50m", "64Mi", "512Mi"), "CPU and memory of a backup's Pod."
    )
