"""The reasons of conditions. docs/reference/failures.md explains each.

A test compares this list with that page.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """The machine-readable reason of a condition."""

    # Healthy, or nothing to do
    SERVING = "Serving"
    SETTLED = "Settled"
    NOT_STALLED = "NotStalled"
    MIGRATED = "Migrated"
    BACKED_UP = "BackedUp"
    METRICS_KNOWN = "MetricsKnown"
    CACHE_READY = "CacheReady"
    KEYS_CURRENT = "KeysCurrent"
    CACHE_EXTERNAL = "CacheExternal"
    ADDRESS_ASSIGNED = "AddressAssigned"
    NOT_CONFIGURED = "NotConfigured"
    SCALED_TO_ZERO = "ScaledToZero"
    SUSPENDED = "Suspended"
    PAUSED = "Paused"

    # In progress
    NO_RELEASE = "NoRelease"
    NOT_PROMOTED = "NotPromoted"
    RELEASING = "Releasing"
    VALIDATING = "Validating"
    DATABASE_STARTING = "DatabaseStarting"
    CHECKING_COMPATIBILITY = "CheckingCompatibility"
    CHECKING_CONNECTIONS = "CheckingConnections"
    RESTORING = "Restoring"
    MIGRATING = "Migrating"
    MIGRATION_IN_PROGRESS = "MigrationInProgress"
    BACKING_UP = "BackingUp"
    STARTING = "Starting"
    WAITING_FOR_APPROVAL = "WaitingForApproval"
    PROMOTION_DELAYED = "PromotionDelayed"
    VERIFYING = "Verifying"
    SWITCHING = "Switching"
    NOT_SWITCHED = "NotSwitched"
    WATCHING = "Watching"
    DRAINING = "Draining"
    WARM = "Warm"
    SCALING = "Scaling"
    UPDATING = "Updating"
    NO_BACKUP_YET = "NoBackupYet"
    WAITING_FOR_METRICS = "WaitingForMetrics"
    CACHE_STARTING = "CacheStarting"
    WAITING_FOR_ADDRESS = "WaitingForAddress"
    KEYS_ROTATING = "KeysRotating"
    POD_NOT_READY = "PodNotReady"
    FINAL_BACKUP = "FinalBackup"
    VOLUME_RESIZING = "VolumeResizing"

    # Problems, from here to the end: WARNING_REASONS. First those of Pods
    IMAGE_PULL_FAILED = "ImagePullFailed"
    POD_UNSCHEDULABLE = "PodUnschedulable"
    POD_CREATION_FORBIDDEN = "PodCreationForbidden"
    POD_NOT_STARTING = "PodNotStarting"
    POD_TERMINATING = "PodTerminating"
    POD_CRASHING = "PodCrashing"
    NO_POD_AVAILABLE = "NoPodAvailable"

    # Releases
    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
    CHECK_RETRY = "CheckRetry"
    CONTRACT_NOT_KEPT = "ContractNotKept"
    SCHEMA_INCOMPATIBLE = "SchemaIncompatible"
    CONNECTION_BUDGET_EXCEEDED = "ConnectionBudgetExceeded"
    IMAGE_CHANGED = "ImageChanged"
    MIGRATION_RETRY = "MigrationRetry"
    MIGRATION_SUSPENDED = "MigrationSuspended"
    MIGRATION_FAILED = "MigrationFailed"
    CONTRACT_FAILED = "ContractFailed"
    SMOKE_TEST_FAILED = "SmokeTestFailed"
    METRICS_UNREADABLE = "MetricsUnreadable"
    LIMITS_EXCEEDED = "LimitsExceeded"
    WATCH_INCONCLUSIVE = "WatchInconclusive"
    ABORTED = "Aborted"
    ROLLED_BACK = "RolledBack"
    ROLLBACK_REFUSED = "RollbackRefused"
    RELEASE_FAILED = "ReleaseFailed"

    # Databases
    DATABASE_UNREACHABLE = "DatabaseUnreachable"
    DATABASE_AUTHENTICATION_FAILED = "DatabaseAuthenticationFailed"
    DATABASE_LOCKED = "DatabaseLocked"
    DATABASE_REPLACED = "DatabaseReplaced"
    DATABASE_SECRET_MISSING = "DatabaseSecretMissing"  # noqa: S105 - no secret
    DATABASE_SECRET_INCOMPLETE = "DatabaseSecretIncomplete"  # noqa: S105 - no secret
    DATABASE_SECRET_MALFORMED = "DatabaseSecretMalformed"  # noqa: S105 - no secret
    DATABASE_SECRET_LOST = "DatabaseSecretLost"  # noqa: S105 - no secret
    VOLUME_FULL = "VolumeFull"
    VOLUME_MISMATCH = "VolumeMismatch"

    # The staff token, accounts and the cache
    STAFF_SECRET_MISSING = "StaffSecretMissing"  # noqa: S105 - no secret
    STAFF_SECRET_INCOMPLETE = "StaffSecretIncomplete"  # noqa: S105 - no secret
    STAFF_SECRET_MALFORMED = "StaffSecretMalformed"  # noqa: S105 - no secret
    SIGNING_SECRET_MISSING = "SigningSecretMissing"  # noqa: S105 - no secret
    SIGNING_SECRET_INCOMPLETE = "SigningSecretIncomplete"  # noqa: S105 - no secret
    SIGNING_SECRET_MALFORMED = "SigningSecretMalformed"  # noqa: S105 - no secret
    SIGNING_KEY_NOT_LOADED = "SigningKeyNotLoaded"
    SMTP_SECRET_MISSING = "SmtpSecretMissing"  # noqa: S105 - no secret
    SMTP_SECRET_INCOMPLETE = "SmtpSecretIncomplete"  # noqa: S105 - no secret
    SMTP_SECRET_MALFORMED = "SmtpSecretMalformed"  # noqa: S105 - no secret
    CACHE_SECRET_MISSING = "CacheSecretMissing"  # noqa: S105 - no secret
    CACHE_SECRET_INCOMPLETE = "CacheSecretIncomplete"  # noqa: S105 - no secret
    CACHE_SECRET_MALFORMED = "CacheSecretMalformed"  # noqa: S105 - no secret
    CACHE_DOWN = "CacheDown"

    # The Ingress and the load balancer
    HOST_CONFLICT = "HostConflict"
    NO_ADDRESS = "NoAddress"

    # Backups
    BACKUP_FAILED = "BackupFailed"
    BACKUP_IMAGE_MISSING = "BackupImageMissing"
    BACKUP_OVERDUE = "BackupOverdue"
    BACKUP_STALE = "BackupStale"
    BACKUP_DAMAGED = "BackupDamaged"
    VERIFY_FAILED = "VerifyFailed"
    DRILL_FAILED = "DrillFailed"
    DRILL_OVERDUE = "DrillOverdue"
    FINAL_BACKUP_FAILED = "FinalBackupFailed"
    BACKUP_SUSPENDED = "BackupSuspended"
    RESTORE_MISSING = "RestoreMissing"
    RESTORE_FAILED = "RestoreFailed"

    # Rejected by the API server, or missing in the cluster
    NAME_CONFLICT = "NameConflict"
    QUOTA_EXCEEDED = "QuotaExceeded"
    APPLY_REJECTED = "ApplyRejected"
    WEBHOOK_FAILED = "WebhookFailed"
    API_SERVER_ERROR = "APIServerError"
    PERMISSION_MISSING = "PermissionMissing"
    SECRET_FORBIDDEN = "SecretForbidden"  # noqa: S105 - no secret
    OBJECT_TERMINATING = "ObjectTerminating"
    CHANGED_BY_OTHERS = "ChangedByOthers"
    NO_METRICS = "NoMetrics"

    # This operator does not fit what it finds
    SPEC_INVALID = "SpecInvalid"
    RECORD_INVALID = "RecordInvalid"
    CRD_OUTDATED = "CRDOutdated"
    RECONCILE_ERROR = "ReconcileError"

    @classmethod
    def of_record(cls, text: str) -> Reason:
        """Return the reason in a release's record; RELEASE_FAILED for one of another version."""
        return cls(text) if text in set(cls) else cls.RELEASE_FAILED


WAITS_FOR_PERSON = frozenset({Reason.WAITING_FOR_APPROVAL})
"""The reasons that are no problem, but wait for a decision of a person."""

_ALL = tuple(Reason)
WARNING_REASONS = frozenset(_ALL[_ALL.index(Reason.IMAGE_PULL_FAILED) :])
"""The reasons that need attention: each is posted as a Warning event when it is new."""
