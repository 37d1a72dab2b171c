"""`spec.backup`: scheduled dumps of the database."""

from pydantic import Field

from bookstore_operator.crd.base import Part, group
from bookstore_operator.crd.spec.resources import Resources, default_resources
from bookstore_operator.crd.spec.storage import Storage


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
    suspend: bool = Field(
        False, description="Suspend further backups. A running one is not affected."
    )
    resources: Resources = group(
        default_resources("50m", "64Mi", "512Mi"), "CPU and memory of a backup's Pod."
    )
