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
from bookstore_operator.crd.spec.database import EmbeddedDatabase, ExternalDatabase
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


class RestoreInto(Part, json_schema_extra=rules(embedded_or_external("into"))):
    """Database that the backup is restored into. Set exactly one of the fields."""

    embedded: EmbeddedDatabase | None = Field(
        None,
        description="New PostgreSQL server, with names of its own.",
        json_schema_extra=NULLABLE,
    )
    external: ExternalDatabase | None = Field(
        None, description="Empty PostgreSQL database outside the operator's control."
    )


def _embedded() -> RestoreInto:
    return RestoreInto(embedded=EmbeddedDatabase())


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


class RestoreStatus(Part):
    """Progress and result of the restore."""

    phase: Annotated[RestorePhase, WithJsonSchema({"type": "string", "maxLength": 63})] | None = (
        Field(None, description=f"How far it is, one of {', '.join(RestorePhase)}.")
    )
    reason: str = Field("", max_length=100, description="Machine-readable reason in CamelCase.")
    message: Message = Field("", description="Human-readable message with details.")
    attempts: int = Field(0, ge=0, description="Number of restore Jobs that were started.")
    backup: str = Field("", max_length=63, description="Backup that is restored, once it is known.")
    data_until: Time | None = Field(
        None, description="When the backup began: what was written later is not in it."
    )
    secret_name: str = Field(
        "", max_length=253, description="Secret with the URI of the restored database."
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
        None, ge=0, description="How long the restore took, from its Job's start to its end."
    )


class BookStoreRestore(CustomObject):
    """A backup that is restored into a fresh database."""

    kind: str = KIND
    spec: RestoreSpec
    status: RestoreStatus = Field(default_factory=RestoreStatus)
