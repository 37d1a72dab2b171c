"""The operator's metrics: the one list of them, as data.

Their documentation is generated from it, and the rules and dashboards may use no other names.
Every label is bounded: by an enumeration of the operator's, or by the number of BookStores, with a
number of series for each that does not grow. The series of a BookStore end with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

STORE_LABELS = ("namespace", "bookstore")


class Kind(StrEnum):
    """The type of a metric in Prometheus' text format."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric family."""

    name: str
    kind: Kind
    meaning: str
    """What is counted or measured, in one line."""
    labels: tuple[str, ...] = ()
    example: str = ""
    """A query that answers a question of an operator's user."""
    buckets: tuple[float, ...] = ()
    """The upper bounds of a histogram, without the infinite one."""

    @property
    def series(self) -> tuple[str, ...]:
        """The names of its time series."""
        if self.kind is not Kind.HISTOGRAM:
            return (self.name,)
        return tuple(f"{self.name}{suffix}" for suffix in ("_bucket", "_sum", "_count"))


def _of_store(name: str, meaning: str, *more: str, example: str = "") -> Metric:
    return Metric(name, Kind.GAUGE, meaning, (*STORE_LABELS, *more), example)


BUILD_INFO = Metric(
    "bookstore_operator_build_info", Kind.GAUGE, "always 1; the operator's version", ("version",)
)
LEADER = Metric(
    "bookstore_operator_leader",
    Kind.GAUGE,
    "1 while this process is the leader, which reconciles; 0 while it stands by",
    example="sum(bookstore_operator_leader) != 1",
)
VISITS = Metric(
    "bookstore_operator_reconcile_total",
    Kind.COUNTER,
    "reconciliations by result: `unchanged`, `changed` (an object was written), `gone` (the "
    "BookStore was deleted), `failed` (it is retried)",
    ("result",),
    'rate(bookstore_operator_reconcile_total{result="failed"}[5m])',
)
VISIT_SECONDS = Metric(
    "bookstore_operator_reconcile_duration_seconds",
    Kind.HISTOGRAM,
    "time that a reconciliation took, with its requests",
    example="histogram_quantile(0.99, sum by (le) "
    "(rate(bookstore_operator_reconcile_duration_seconds_bucket[5m])))",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
QUEUE_DEPTH = Metric(
    "bookstore_operator_queue_depth",
    Kind.GAUGE,
    "BookStores that are due and wait for a worker",
)
QUEUE_SECONDS = Metric(
    "bookstore_operator_queue_wait_seconds",
    Kind.HISTOGRAM,
    "time from when a BookStore was due until a worker began",
    example="histogram_quantile(0.99, sum by (le) "
    "(rate(bookstore_operator_queue_wait_seconds_bucket[5m])))",
    buckets=(0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300),
)
WORKERS_BUSY = Metric(
    "bookstore_operator_workers_busy",
    Kind.GAUGE,
    "BookStores that are being reconciled; at most `--workers`",
)
REQUESTS = Metric(
    "bookstore_operator_api_requests_total",
    Kind.COUNTER,
    "requests to the Kubernetes API by HTTP method and status; code `0`: no answer. Without the "
    "watches",
    ("method", "code"),
    'sum by (code) (rate(bookstore_operator_api_requests_total{code!~"2.."}[5m]))',
)
REQUEST_SECONDS = Metric(
    "bookstore_operator_api_request_duration_seconds",
    Kind.HISTOGRAM,
    "time until a request to the Kubernetes API was answered",
    ("method",),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
LAST_LIST = Metric(
    "bookstore_operator_last_list_timestamp_seconds",
    Kind.GAUGE,
    "when all objects were last listed completely: every ten minutes, and after a watch has "
    "restarted. Absent before the first time",
    example="time() - bookstore_operator_last_list_timestamp_seconds > 1800",
)
LIST_CHANGES = Metric(
    "bookstore_operator_list_changes_total",
    Kind.COUNTER,
    "BookStores of which a list had news that no watch had delivered: more than a few mean that "
    "the watches are behind",
    example="increase(bookstore_operator_list_changes_total[30m])",
)
UNAVAILABLE = Metric(
    "bookstore_operator_unavailable_scopes",
    Kind.GAUGE,
    "watched namespaces (or 1 for all) that are not served: a right or a CRD is missing",
    example="bookstore_operator_unavailable_scopes > 0",
)
STAGE_SECONDS = Metric(
    "bookstore_release_stage_duration_seconds",
    Kind.HISTOGRAM,
    "time that releases spent in a stage, once they have left it for the next",
    ("stage",),
    "sum by (stage) (rate(bookstore_release_stage_duration_seconds_sum[1d])) / sum by (stage) "
    "(rate(bookstore_release_stage_duration_seconds_count[1d]))",
    (1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14400),
)
RELEASES = Metric(
    "bookstore_releases_total",
    Kind.COUNTER,
    "releases by result: `Promoted` when users are sent to it, and then one of the others",
    (*STORE_LABELS, "result"),
    "sum by (result) (increase(bookstore_releases_total[7d]))",
)
CONDITION = _of_store(
    "bookstore_condition",
    "always 1: what a condition of the BookStore is, and its reason (`Other`: one that this "
    "operator does not know)",
    *("type", "status", "reason"),
    example='count by (reason) (bookstore_condition{type="Ready",status="False"})',
)
REPLICAS = _of_store("bookstore_replicas", "Pods of the active color")
READY_REPLICAS = _of_store("bookstore_ready_replicas", "ready Pods of the active color")
AUTOSCALER_DESIRED = _of_store(
    "bookstore_autoscaler_desired_replicas",
    "Pods that the HorizontalPodAutoscaler wants; absent where there is none",
)
AUTOSCALER_MAX = _of_store(
    "bookstore_autoscaler_max_replicas",
    "the most Pods that it may want",
    example="bookstore_autoscaler_desired_replicas >= bookstore_autoscaler_max_replicas",
)
ACTIVE_REVISION = _of_store(
    "bookstore_active_revision",
    "revision of the release that serves users",
    example="changes(bookstore_active_revision[1d])",
)
PROMOTED_AT = _of_store(
    "bookstore_release_promoted_timestamp_seconds", "when that release was promoted"
)
SCHEMA_INFO = _of_store(
    "bookstore_schema_info", "always 1: newest schema revision that is applied", "revision"
)
STAGE_SINCE = _of_store(
    "bookstore_release_stage_timestamp_seconds",
    "since when the newest release is in its stage; absent if none is in progress",
    "stage",
    example="time() - bookstore_release_stage_timestamp_seconds > 3600",
)
BACKUP_VERIFIED = _of_store(
    "bookstore_backup_verified_timestamp_seconds",
    "when the newest verified backup of the current database began: what was written later is in "
    "no proven backup. Absent if there is none",
    example="time() - bookstore_backup_verified_timestamp_seconds",
)
BACKUP_MAX_AGE = _of_store(
    "bookstore_backup_max_age_seconds",
    "how old it may be (`spec.backup.maxAgeSeconds`); absent without `spec.backup`",
)
BACKUP_BYTES = _of_store("bookstore_backup_size_bytes", "its size as stored")
DRILL_ENDED = _of_store(
    "bookstore_drill_timestamp_seconds",
    "when the last drill ended, by its result; absent before the first",
    "result",
    example='bookstore_drill_timestamp_seconds{result=~"Damaged|Failed"}',
)
DRILL_SUCCEEDED = _of_store(
    "bookstore_drill_succeeded_timestamp_seconds",
    "when a drill last restored a backup that was as it should be",
    example="time() - bookstore_drill_succeeded_timestamp_seconds > 8 * 86400",
)
DRILL_SECONDS = _of_store(
    "bookstore_drill_recovery_seconds", "how long the last drill's restore took, if it got so far"
)
DRILL_POINT = _of_store(
    "bookstore_drill_recovery_point_seconds",
    "how old what it restored was: what would have been lost at most",
)
VOLUME_INFO = _of_store(
    "bookstore_volume_info",
    "always 1: the volume claim of the embedded database, or of the backups",
    *("volume", "persistentvolumeclaim"),
    example="kubelet_volume_stats_available_bytes * on (namespace, persistentvolumeclaim) "
    "group_left (bookstore, volume) bookstore_volume_info",
)

OPERATOR_METRICS = (
    *(BUILD_INFO, LEADER, LAST_LIST, LIST_CHANGES, UNAVAILABLE),
    *(VISITS, VISIT_SECONDS, QUEUE_DEPTH, QUEUE_SECONDS, WORKERS_BUSY),
    *(REQUESTS, REQUEST_SECONDS, STAGE_SECONDS, RELEASES),
)
"""The metrics of the process."""

STORE_METRICS = (
    *(CONDITION, REPLICAS, READY_REPLICAS, AUTOSCALER_DESIRED, AUTOSCALER_MAX),
    *(ACTIVE_REVISION, PROMOTED_AT, STAGE_SINCE, SCHEMA_INFO, VOLUME_INFO),
    *(BACKUP_VERIFIED, BACKUP_MAX_AGE, BACKUP_BYTES),
    *(DRILL_ENDED, DRILL_SUCCEEDED, DRILL_SECONDS, DRILL_POINT),
)
"""What the leader reports of each BookStore, read from its cache at each scrape."""

METRICS: Mapping[str, Metric] = {
    metric.name: metric for metric in (*OPERATOR_METRICS, *STORE_METRICS)
}
