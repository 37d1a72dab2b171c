"""BookStoreBackup: one backup that was taken or is to be taken, and the record of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, WithJsonSchema

from bookstore_operator.crd.base import CustomObject, Part, Time, rules
from bookstore_operator.crd.text import Message

KIND = "BookStoreBackup"
PLURAL = "bookstorebackups"
_WORD = WithJsonSchema({"type": "string", "maxLength": 63})
"""The schema of a word of which a newer operator may have more."""


class BackupReason(StrEnum):
    """Why a backup is taken."""

    MANUAL = "Manual"
    SCHEDULED = "Scheduled"
    BEFORE_MIGRATION = "BeforeMigration"
    BEFORE_CONTRACT = "BeforeContract"
    BEFORE_DELETION = "BeforeDeletion"
    FOUND = "Found"
    """It is in the target, and no Job of it is known: another program has taken it."""


class BackupPhase(StrEnum):
    """How far a backup is."""

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETE = "Complete"
    """It is stored, and the target has given back what was stored."""
    VERIFIED = "Verified"
    """It was read whole, or restored, and is what its manifest says."""
    DAMAGED = "Damaged"
    FAILED = "Failed"

    @classmethod
    def _missing_(cls, value: object) -> BackupPhase | None:
        """Return a phase that only a newer operator has, so that its record can be read."""
        if not isinstance(value, str):
            return None
        unknown = str.__new__(cls, value)
        unknown._name_, unknown._value_ = "UNKNOWN", value
        return unknown


class BackupSpec(
    Part,
    json_schema_extra=rules(("self == oldSelf", "a BookStoreBackup can't be changed: create one")),
):
    """What is backed up, and why. Immutable. The target is that of the BookStore's spec.backup."""

    store_name: str = Field(
        max_length=40,
        min_length=1,
        description="Name of the BookStore, in the same namespace, whose database is backed up.",
    )
    reason: BackupReason = Field(
        BackupReason.MANUAL,
        description="Why the backup is taken; `Found` is the operator's, for backups in the target "
        "that have no other record.",
    )
    job: str = Field(
        "",
        max_length=63,
        description="Name of the Job that this is the record of. Set by the operator for Jobs of "
        "the schedule and of releases. If it is empty, the operator creates a Job.",
    )


class VerifyRun(Part):
    """The verification of the backup by a Job, which is repeated if it fails."""

    attempt: int = Field(0, ge=0, description="Number of the attempt.")
    request: str = Field(
        "", max_length=100, description="Value of the annotation that asked for it, if one did."
    )
    started_at: Time | None = Field(None, description="When its Job was to be created.")
    created: bool = Field(False, description="Whether its Job was seen.")
    ended_at: Time | None = Field(None, description="When it ended, or was found to be gone.")
    message: Message = Field("", description="What it found, or why it could not tell.")


class BackupStatus(Part):
    """Progress and result of the backup. What is in the target counts, not this record."""

    phase: Annotated[BackupPhase, _WORD] | None = Field(
        None, description=f"How far it is, one of {', '.join(BackupPhase)}."
    )
    reason: str = Field("", max_length=100, description="Machine-readable reason in CamelCase.")
    message: Message = Field("", description="Human-readable message with details.")
    job: str = Field("", max_length=63, description="Name of the Job that takes it.")
    backup: str = Field("", max_length=63, description="Name of the backup in its target.")
    location: str = Field("", max_length=1024, description="Where it is stored.")
    database: str = Field("", max_length=63, description="Database that it is of.")
    started_at: Time | None = Field(
        None, description="When it began: it has all that was written before."
    )
    completed_at: Time | None = Field(None, description="When it was stored and read back.")
    verified_at: Time | None = Field(None, description="When it was last read whole, or restored.")
    drilled_at: Time | None = Field(
        None, description="When the last drill ended that restored it, or found that it can't be."
    )
    handled_verification: str = Field(
        "",
        max_length=100,
        description="Value of the annotation `bookstore.dev/verify`, which asks for a "
        "verification, that the last one was carried out for.",
    )
    verification: VerifyRun | None = Field(None, description="Last attempt to verify it.")
    size_bytes: int | None = Field(None, ge=0, description="Size as stored, in bytes.")
    rows: int | None = Field(None, ge=0, description="Number of rows in all tables.")
    encrypted: bool = Field(False, description="Whether it is encrypted.")
    schema_revisions: list[str] = Field(
        default_factory=list,
        max_length=20,
        alias="schema",
        description="Schema revisions of the database.",
    )


class BookStoreBackup(CustomObject):
    """One backup of a BookStore's database."""

    kind: str = KIND
    spec: BackupSpec
    status: BackupStatus = Field(default_factory=BackupStatus)
