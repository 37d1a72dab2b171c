"""What a release's record has of its migrations. Their Jobs may be gone."""

from enum import StrEnum

from pydantic import Field

from bookstore_operator.crd.base import Part, Time
from bookstore_operator.crd.text import Message


class Branch(StrEnum):
    """A branch of migrations, as the image's commands name it."""

    EXPAND = "expand"
    """Additions, before the switch."""
    CONTRACT = "contract"
    """Removals of what only older code needs, once none of it is left."""


class MigrationAttempt(Part):
    """The last attempt to migrate the schema. Recorded before its Job is created."""

    number: int = Field(ge=1, description="Number of the attempt, from 1. Its Job is named by it.")
    database: str = Field("", max_length=63, description="Database that it migrates.")
    started_at: Time = Field(description="When its Job was to be created.")
    created: bool = Field(False, description="Whether its Job was created.")
    ended_at: Time | None = Field(None, description="When it ended.")
    succeeded: bool = Field(False, description="Whether it succeeded.")
    code: str = Field("", max_length=63, description="Code of its outcome.")
    message: str = Field("", max_length=1024, description="Message of its outcome.")
    changed: bool = Field(
        True,
        description="Whether this attempt, or one before it, has changed the schema or may have.",
    )


class ContractState(StrEnum):
    """How far the contract migration is."""

    PENDING = "Pending"
    RUNNING = "Running"
    DONE = "Done"
    FAILED = "Failed"
    NOT_NEEDED = "NotNeeded"
    NEVER = "Never"


class ContractRecord(Part):
    """The contract migration of a release that serves."""

    state: str = Field(
        ContractState.PENDING, max_length=63, description=f"One of {', '.join(ContractState)}."
    )
    message: Message = Field("", description="What it waits for, or how it ended.")
    attempts: int = Field(0, description="Number of migration Jobs started.")
    failed_attempts: int = Field(
        0,
        description="Number of failed attempts on the current database that count towards "
        "`migration.attempts`.",
    )
    last_attempt: MigrationAttempt | None = Field(None, description="Last attempt.")
    changed_at: Time | None = Field(
        None,
        description="When an attempt first changed the schema, or may have. From then on older "
        "code can't be relied on to work.",
    )
