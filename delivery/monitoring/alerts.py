"""When somebody is called, beside the objectives: BookStores, their data, and the operator."""

from collections.abc import Iterator

from bookstore_operator.core.reasons import Reason
from delivery.monitoring import objectives
from delivery.monitoring.rules import BY_STORE, Alert, Severity

_MIGRATION = (Reason.MIGRATION_FAILED, Reason.CONTRACT_FAILED, Reason.SCHEMA_INCOMPATIBLE)
_ENDED = (Reason.ABORTED, Reason.ROLLED_BACK, Reason.ROLLBACK_REFUSED, Reason.LIMITS_EXCEEDED)
_DAMAGED = (Reason.BACKUP_DAMAGED,)
_DRILLS = (Reason.DRILL_FAILED, Reason.DRILL_OVERDUE)
_STAGES_OF_USERS = ("Approve", "Watch", "Drain", "Warm")
"""The stages that people or the spec may make as long as they like."""
_OWN = "namespace"
"""The label by which operators are distinguished: each has a namespace of its own."""


_LOOKBACK = "2m"
"""A scrape that fails ends a series for a moment, and would begin the waiting of an alert again."""
_LASTING = "3m"
"""Longer than the lookback, so that what was over at once calls nobody."""


def _condition(matchers: str) -> str:
    """Return the query for BookStores with such a condition; its reason stays a label."""
    series = f"last_over_time(bookstore_condition{{{matchers}}}[{_LOOKBACK}])"
    return f"max by ({BY_STORE}, reason) ({series}) == 1"


def _any(values: tuple[str, ...]) -> str:
    return f'"{"|".join(values)}"'


def of_stores() -> Iterator[Alert]:
    """Yield the alerts about a BookStore's users and releases."""
    unavailable = _condition('type="Available",status="False"')
    yield Alert(
        "BookStoreUnavailable",
        Severity.CRITICAL,
        "No Pod serves its users ({{ $labels.reason }})",
        f"({unavailable}) and on ({BY_STORE}) max by ({BY_STORE}) (bookstore_active_revision)",
        _LASTING,
    )
    yield Alert(
        "BookStoreStalled",
        Severity.WARNING,
        "It does not go on unless somebody acts ({{ $labels.reason }})",
        _condition(f'type="Stalled",status="True",reason!~{_any((*_MIGRATION, *_ENDED))}'),
        "5m",
    )
    yield Alert(
        "BookStoreReleaseAborted",
        Severity.WARNING,
        "Its release was taken back or aborted, and the spec still asks for it "
        "({{ $labels.reason }})",
        _condition(f'type="Stalled",status="True",reason=~{_any(_ENDED)}'),
        _LASTING,
    )
    yield Alert(
        "BookStoreReleaseStuck",
        Severity.WARNING,
        "Its release has been at stage {{ $labels.stage }} for hours",
        f"time() - max by ({BY_STORE}, stage) (bookstore_release_stage_timestamp_seconds"
        f"{{stage!~{_any(_STAGES_OF_USERS)}}}) > 7200 or time() - max by ({BY_STORE}, stage) "
        '(bookstore_release_stage_timestamp_seconds{stage="Approve"}) > 86400',
        "5m",
    )
    yield Alert(
        "BookStoreMigrationFailed",
        Severity.CRITICAL,
        "A migration of its database failed ({{ $labels.reason }}); what served goes on serving",
        _condition(f'type=~"Stalled|DatabaseMigrated",reason=~{_any(_MIGRATION)}'),
        _LASTING,
    )
    yield Alert(
        "BookStoreAutoscalerAtLimit",
        Severity.WARNING,
        "Its autoscaler wants as many Pods as it may have",
        f"max by ({BY_STORE}) (bookstore_autoscaler_desired_replicas) >= "
        f"max by ({BY_STORE}) (bookstore_autoscaler_max_replicas)",
        "30m",
    )
    yield Alert(
        "BookStoreNotScraped",
        Severity.WARNING,
        "Prometheus gets no metrics from its Pods, so nothing watches its objectives",
        f"max by ({BY_STORE}) (bookstore_ready_replicas) > 0 unless on ({BY_STORE}) "
        f"count by ({BY_STORE}) (bookstore_http_connections_open)",
        "15m",
    )


def of_data() -> Iterator[Alert]:
    """Yield the alerts about backups and volumes."""
    verified = f"max by ({BY_STORE}) (bookstore_backup_verified_timestamp_seconds)"
    age = f"max by ({BY_STORE}) (bookstore_backup_max_age_seconds)"
    unhealthy = _condition(
        f'type="BackupHealthy",status="False",reason!~{_any((*_DAMAGED, *_DRILLS))}'
    )
    yield Alert(
        "BookStoreBackupStale",
        Severity.WARNING,
        "What was written lately is in no backup that is proven",
        f"max by ({BY_STORE}) ({unhealthy}) or time() - {verified} > 2 * {age}",
        "15m",
    )
    yield Alert(
        "BookStoreBackupDamaged",
        Severity.CRITICAL,
        "A backup can't be restored ({{ $labels.reason }})",
        _condition(f'type="BackupHealthy",status="False",reason=~{_any(_DAMAGED)}'),
        _LASTING,
    )
    yield Alert(
        "BookStoreDrillFailed",
        Severity.WARNING,
        "No drill has shown lately that a backup can be restored ({{ $labels.reason }})",
        _condition(f'type="BackupHealthy",status="False",reason=~{_any(_DRILLS)}'),
        _LASTING,
    )
    for severity, share in ((Severity.WARNING, 0.15), (Severity.CRITICAL, 0.05)):
        yield Alert(
            "BookStoreVolumeFilling",
            severity,
            "Its {{ $labels.volume }} volume {{ $labels.persistentvolumeclaim }} is nearly full",
            _volumes(share),
            "5m",
        )


def _volumes(share: float) -> str:
    """Return the query for volumes with less than a share of their size left."""
    by = "namespace, persistentvolumeclaim"
    left, size = (
        f"max by ({by}) (kubelet_volume_stats_{what}_bytes)" for what in ("available", "capacity")
    )
    info = f"max by ({BY_STORE}, volume, persistentvolumeclaim) (bookstore_volume_info)"
    return f"({left} / {size} < {share}) * on ({by}) group_left (bookstore, volume) {info}"


def of_operator() -> Iterator[Alert]:
    """Yield the alerts about the operator."""
    yield Alert(
        "BookStoreOperatorWithoutLeader",
        Severity.CRITICAL,
        "No replica leads: nothing is reconciled, and nothing is known of any BookStore",
        f"sum by ({_OWN}) (bookstore_operator_leader) == 0 or absent(bookstore_operator_leader)",
        "5m",
        of_store=False,
    )
    yield Alert(
        "BookStoreOperatorBlind",
        Severity.CRITICAL,
        "It can't see the cluster: its lists fail, or a right or a CRD is missing",
        f"time() - max by ({_OWN}) (bookstore_operator_last_list_timestamp_seconds) > 1800 "
        f"or max by ({_OWN}) (bookstore_operator_unavailable_scopes) > 0",
        "5m",
        of_store=False,
    )
    failed = f'sum by ({_OWN}) (rate(bookstore_operator_reconcile_total{{result="failed"}}[15m]))'
    yield Alert(
        "BookStoreOperatorFailing",
        Severity.WARNING,
        "More than a fifth of its reconciliations fail",
        f"{failed} / sum by ({_OWN}) (rate(bookstore_operator_reconcile_total[15m])) > 0.2",
        "15m",
        of_store=False,
    )
    waited = f"sum by ({_OWN}, le) (rate(bookstore_operator_queue_wait_seconds_bucket[10m]))"
    yield Alert(
        "BookStoreOperatorOverloaded",
        Severity.WARNING,
        "BookStores wait for more than 30 s until it looks at them",
        f"histogram_quantile(0.95, {waited}) > 30",
        "10m",
        of_store=False,
    )


ALERTS = (*objectives.alerts(), *of_stores(), *of_data(), *of_operator())
