"""BookStoreRestore: a backup that is restored into a fresh database, beside the one that serves."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, WithJsonSchema

from bookstore_operator.crd.base import (
    NULLABLE,
    CustomObject,
    Part,
    Time,
    embedded_or_external,
    group,
    rules,
)
from bookstore_operator.crd.spec.backup_target import RestoreSource
from bookstore_operator.crd.spec.database import ExternalDatabase
from bookstore_operator.crd.spec.resources import Resources, default_resources
from bookstore_operator.crd.spec.storage import Storage
from bookstore_operator.crd.text import Message

KIND = "BookStoreRestore"
PLURAL = "bookstorerestores"
MAX_NAME_LENGTH = 40


class RestorePhase(StrEnum):
    """How far a restore is."""

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETE = "Complete"
    FAILED = "Failed"

    @classmethod
    def _missing_(cls, value: object) -> RestorePhase | None:
        """Return a phase that only a newer operator has, so that its record can be read."""
        if not isinstance(value, str):
            return None
        unknown = str.__new__(cls, value)
        unknown._name_, unknown._value_ = "UNKNOWN", value
        return unknown


class RestoredServer(Part):
    """A new PostgreSQL server. What is not set is as in the BookStore's `database.embedded`."""

    storage: Storage | None = Field(None, description="Volume that the data is stored on.")
    resources: Resources | None = Field(None, description="CPU and memory of the server.")


class RestoreInto(Part, json_schema_extra=rules(embedded_or_external("into"))):
    """Database that the backup is restored into. Set exactly one of the fields."""

    embedded: RestoredServer | None = Field(
        None,
        description="New PostgreSQL server, with names of its own.",
        json_schema_extra=NULLABLE,
    )
    external: ExternalDatabase | None = Field(
        None, description="Empty PostgreSQL database outside the operator's control."
    )


def _embedded() -> RestoreInto:
    return RestoreInto(embedded=RestoredServer())


class RestoreAttempt(Part):
    """One attempt to restore. Its Job may be gone."""

    number: int = Field(ge=1, description="Its number, from 1.")
    started_at: Time = Field(description="When it was recorded, before its Job was created.")
    created: bool = Field(False, description="Whether its Job was created.")
    ended_at: Time | None = Field(None, description="When it ended.")
    succeeded: bool = Field(False, description="Whether it succeeded.")
    code: str = Field("", max_length=63, description="What bookstore-backup ended with.")
    message: Message = Field("", description="Why it failed.")


class RestoreSpec(
    Part,
    json_schema_extra=rules(("self == oldSelf", "a BookStoreRestore can't be changed: create one")),
):
    """What is restored, and into what. Immutable."""

    store_name: str = Field(
        max_length=40,
        min_length=1,
        description="Name of the BookStore, in the same namespace, whose settings are used.",
    )
    source: RestoreSource = group(RestoreSource, "Backup that is restored.")
    into: RestoreInto = group(_embedded, "Database that the backup is restored into.")
    attempts: int = Field(
        3, ge=1, le=10, description="Number of restore Jobs until the restore has failed."
    )
    timeout_seconds: int = Field(
        3600, ge=60, le=604800, description="Time limit of each restore Job, in seconds."
    )
    resources: Resources = group(
        default_resources("100m", "128Mi", "512Mi"), "CPU and memory of the restore's Pod."
    )


class RestoreRecord(Part):
    """Progress and result of a restore. It is written before what it says is done."""

    phase: Annotated[RestorePhase, WithJsonSchema({"type": "string", "maxLength": 63})] | None = (
        Field(None, description=f"How far it is, one of {', '.join(RestorePhase)}.")
    )
    reason: str = Field("", max_length=100, description="Machine-readable reason in CamelCase.")
    message: Message = Field("", description="Human-readable message with details.")
    attempts: int = Field(0, ge=0, description="Number of restore Jobs that were started.")
    last_attempt: RestoreAttempt | None = Field(
        None, description="Last attempt. Its Job may be gone."
    )
    database: str = Field(
        "",
        max_length=63,
        description="Database that is restored into, as in `status.database` of a release.",
    )
    backup: str = Field("", max_length=253, description="Backup that was restored.")
    data_until: Time | None = Field(
        None, description="When the backup began: what was written later is not in it."
    )
    schema_revisions: list[str] = Field(
        default_factory=list,
        max_length=20,
        alias="schema",
        description="Schema revisions of the restored database.",
    )
    started_at: Time | None = Field(None, description="When the restore began.")
    completed_at: Time | None = Field(None, description="When the restored database was compared.")
    recovery_time_seconds: float | None = Field(
        None, ge=0, description="How long the restore and the `ANALYZE` after it took."
    )


class RestoreStatus(RestoreRecord):
    """Progress and result of the restore."""

    secret_name: str = Field(
        "", max_length=253, description="Secret with the URI of the restored database."
    )


class BookStoreRestore(CustomObject):
    """A backup that is restored into a fresh database."""

    kind: str = KIND
    spec: RestoreSpec
    status: RestoreStatus = Field(default_factory=RestoreStatus)
