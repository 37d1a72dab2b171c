"""What a release's record has of backups. Their Jobs may be gone."""

from pydantic import Field

from bookstore_operator.crd.base import Part, Time


class BackupRun(Part):
    """The backup before the migration: one that is fresh, one made for the release, or none."""

    message: str = Field(
        "",
        max_length=1024,
        description="What was found: which backup protects the data, or why none is needed.",
    )
    attempt: int = Field(
        0, ge=0, description="Number of the backup Job made for the release; 0 if there is none."
    )
    database: str = Field("", max_length=63, description="Database that it backs up.")
    started_at: Time | None = Field(None, description="When its Job was to be created.")
    created: bool = Field(False, description="Whether its Job was created.")
    ended_at: Time | None = Field(None, description="When it ended.")
    succeeded: bool = Field(False, description="Whether it succeeded.")
    backup: str = Field("", max_length=63, description="Name of the backup in its target.")
    lost: bool = Field(
        False, description="Whether its Job was deleted before its result was read: it is repeated."
    )


class LastBackup(Part):
    """The last backup that succeeded while the release served."""

    job: str = Field(max_length=63, description="Name of its Job.")
    database: str = Field("", max_length=63, description="Database that it is of.")
    started_at: Time = Field(description="When it began: it has all that was written before.")
    ended_at: Time = Field(description="When it ended.")
    backup: str = Field("", max_length=63, description="Name of the backup in its target.")
