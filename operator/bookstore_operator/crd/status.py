"""`status` of a BookStore: the observed state, for people and tools."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from bookstore_operator.crd.base import Part, Time
from bookstore_operator.crd.text import Message

AVAILABLE = "Available"
READY = "Ready"
RECONCILING = "Reconciling"
STALLED = "Stalled"
DATABASE_MIGRATED = "DatabaseMigrated"
BACKUP_HEALTHY = "BackupHealthy"
AUTOSCALING_HEALTHY = "AutoscalingHealthy"
CACHE_HEALTHY = "CacheHealthy"
EXPOSED = "Exposed"
SIGNING_KEYS_HEALTHY = "SigningKeysHealthy"
CONDITION_TYPES = (
    *(AVAILABLE, READY, RECONCILING, STALLED),
    *(DATABASE_MIGRATED, BACKUP_HEALTHY, AUTOSCALING_HEALTHY, CACHE_HEALTHY, EXPOSED),
    SIGNING_KEYS_HEALTHY,
)
"""All condition types, in the order of `status.conditions`."""


class ConditionStatus(StrEnum):
    """The status of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Part):
    """One aspect of the observed state, as in metav1.Condition."""

    type: str = Field(description="Type of the condition.", max_length=63)
    status: ConditionStatus = Field(description="Status of the condition.")
    reason: str = Field(description="Machine-readable reason in CamelCase.", max_length=100)
    message: Message = Field("", description="Human-readable message with details.")
    observed_generation: int = Field(
        0, description="Generation of the spec that the condition was computed from."
    )
    last_transition_time: Time = Field(description="Last time the status of the condition changed.")


class ActiveRelease(Part):
    """The release that serves users."""

    release: str = Field(description="Name of the BookStoreRelease.")
    color: str = Field(description="Color of the release.")
    revision: int = Field(description="Revision of the release.")
    image: str = Field(description="Image of the release.")
    promoted_at: Time | None = Field(None, description="When the release was promoted.")


class VolumeStatus(Part):
    """A volume."""

    claim: str = Field(description="Name of its PersistentVolumeClaim.", max_length=253)
    size: str | None = Field(
        None, description="Actual size. Unset until the claim is bound.", max_length=30
    )
    storage_class_name: str | None = Field(
        None, description="StorageClass. Unset until the claim is bound.", max_length=253
    )


class VolumesStatus(Part):
    """The volumes. A rule of the CRD compares a changed size and StorageClass with them."""

    database: VolumeStatus | None = Field(None, description="Volume of the embedded database.")
    backup: VolumeStatus | None = Field(None, description="Volume of the backups.")


class DrillResult(StrEnum):
    """How a drill ended."""

    SUCCEEDED = "Succeeded"
    """What was restored is what was backed up, and the code that serves works on it."""
    DAMAGED = "Damaged"
    """The backup can't be restored, or what was restored is not what was backed up."""
    FAILED = "Failed"
    """Something else kept it from its end: it says nothing about the backup."""
    NO_BACKUP = "NoBackup"
    """There was no backup to restore."""


class LastDrill(Part):
    """The last drill that has ended: what it restored, and what it measured."""

    job: str = Field(max_length=63, description="Name of its Job.")
    result: str = Field(max_length=63, description=f"One of {', '.join(DrillResult)}.")
    message: Message = Field("", description="Human-readable message with details.")
    ended_at: Time = Field(description="When it ended.")
    backup: str = Field("", max_length=63, description="Name of the backup in its target.")
    recovery_time_seconds: float | None = Field(
        None, ge=0, description="How long the restore took, until the database could serve."
    )
    recovery_point_seconds: float | None = Field(
        None,
        ge=0,
        description="How old what was restored was: what would have been lost at most.",
    )
    succeeded_at: Time | None = Field(None, description="When a drill last succeeded.")


class KeyState(StrEnum):
    """The state of a signing key."""

    PUBLISHED = "Published"
    SIGNING = "Signing"
    RETIRING = "Retiring"


class SigningKeyStatus(Part):
    """A key that access tokens are verified with."""

    kid: str = Field(description="Id of the key.", max_length=64)
    state: KeyState = Field(
        description="Published: Pods load it. Signing: tokens are signed with it. Retiring: it "
        "verifies tokens until none that it signed is valid any more."
    )
    since: Time | None = Field(
        None, description="When it got its state. Unset for keys that the operator does not rotate."
    )


class SigningKeysStatus(Part):
    """The keys that access tokens of accounts are signed with."""

    keys: list[SigningKeyStatus] = Field(
        default_factory=list,
        description="Keys by their ids.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["kid"]},
    )
    next_rotation_at: Time | None = Field(
        None, description="When the next key is published. Unset if only on demand."
    )


class BookStoreStatus(Part):
    """The observed state of a BookStore. Informational: the operator does not decide by it."""

    observed_generation: int = Field(
        0, description="Generation of the spec that the status was computed from."
    )
    conditions: list[Condition] = Field(
        default_factory=list,
        description=f"Conditions: {', '.join(CONDITION_TYPES)}.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    waiting_since: Time | None = Field(
        None,
        description="Since when the BookStore waits for something that is no stage of a release. "
        "After `rollout.progressDeadlineSeconds` the condition Stalled says so.",
    )
    release: str | None = Field(None, description="Name of the newest BookStoreRelease.")
    stage: str | None = Field(
        None, description="Stage of the newest release, until it is complete."
    )
    active: ActiveRelease | None = Field(None, description="Release that serves users.")
    replicas: int = Field(0, description="Number of Pods of the active color.")
    ready_replicas: int = Field(0, description="Number of ready Pods of the active color.")
    selector: str = Field("", description="Label selector for the Pods of the active color.")
    schema_revision: str | None = Field(
        None, alias="schema", description="Newest schema revision that is applied."
    )
    addresses: list[Annotated[str, Field(max_length=253)]] = Field(
        default_factory=list,
        description="IP addresses and host names of the load balancer, and those that the "
        "controller of the Ingress has reported.",
        max_length=20,
    )
    volumes: VolumesStatus | None = Field(None, description="Volumes of the BookStore.")
    last_drill: LastDrill | None = Field(
        None, description="Last drill that has ended. Unset without `backup.drill`."
    )
    last_backup_at: Time | None = Field(
        None, description="When the last successful backup completed."
    )
    signing_keys: SigningKeysStatus | None = Field(
        None, description="Keys that access tokens are signed with."
    )
