"""`status` of a BookStore: what the operator says, for people."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from bookstore_operator.crd.base import (
    Part,
    Time,
)

AVAILABLE = "Available"
READY = "Ready"
RECONCILING = "Reconciling"
STALLED = "Stalled"
DATABASE_MIGRATED = "DatabaseMigrated"
BACKUP_HEALTHY = "BackupHealthy"
AUTOSCALING_HEALTHY = "AutoscalingHealthy"
CACHE_HEALTHY = "CacheHealthy"
CONDITION_TYPES = (
    *(AVAILABLE, READY, RECONCILING, STALLED),
    *(DATABASE_MIGRATED, BACKUP_HEALTHY, AUTOSCALING_HEALTHY, CACHE_HEALTHY),
)
"""In the order in which they are written."""


class ConditionStatus(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Part):
    """One aspect of the state, by the Kubernetes conventions."""

    type: str = Field(description="Which aspect.", max_length=63)
    status: ConditionStatus = Field(description="Whether it holds.")
    reason: str = Field(description="Why, as a word for programs.", max_length=100)
    message: str = Field("", description="Why, as a sentence for people.", max_length=4096)
    observed_generation: int = Field(0, description="The generation of the spec it is about.")
    last_transition_time: Time = Field(description="Since when the status is what it is.")


class ActiveRelease(Part):
    """What serves users."""

    release: str = Field(description="The BookStoreRelease.")
    color: str = Field(description="Its color.")
    revision: int = Field(description="Its revision.")
    image: str = Field(description="Its image.")
    promoted_at: Time | None = Field(None, description="When it was promoted.")


class BookStoreStatus(Part):
    """What the operator says, for people: nothing is decided by it."""

    observed_generation: int = Field(
        0, description="The generation of the spec that was looked at."
    )
    conditions: list[Condition] = Field(
        default_factory=list,
        description=f"{', '.join(CONDITION_TYPES)}.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    release: str | None = Field(None, description="The newest BookStoreRelease.")
    stage: str | None = Field(None, description="The stage it is at, while it goes on.")
    active: ActiveRelease | None = Field(None, description="What serves users.")
    replicas: int = Field(0, description="Pods of the active color.")
    ready_replicas: int = Field(0, description="Those of them that are ready.")
    selector: str = Field("", description="The label selector of the active color's Pods.")
    schema_revision: str | None = Field(
        None, alias="schema", description="The newest schema revision that is applied."
    )
    last_backup_at: Time | None = Field(None, description="When the last backup succeeded.")
