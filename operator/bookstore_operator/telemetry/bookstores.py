"""The samples about one BookStore, from its objects as they are in the cache. Pure.

The objects are plain data that others may have written into: a field of another type than expected
is left out, and costs its BookStore one sample.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.reasons import Reason
from bookstore_operator.crd import backup, release
from bookstore_operator.crd.backup import BackupPhase
from bookstore_operator.crd.stages import find_stage
from bookstore_operator.crd.status import CONDITION_TYPES, ConditionStatus, DrillResult
from bookstore_operator.telemetry import catalog
from bookstore_operator.telemetry.catalog import Metric
from bookstore_operator.telemetry.values import mapping, number, timestamp

OTHER = "Other"
_REASONS = frozenset(Reason)
_RESULTS = frozenset(DrillResult)
_STATUSES = frozenset(ConditionStatus)
_REVISION_LENGTH = 63


class Sample(NamedTuple):
    """A value of a metric, with the labels beside those of the BookStore."""

    metric: Metric
    value: float
    labels: tuple[str, ...] = ()


class Objects(NamedTuple):
    """What the cache holds of a BookStore."""

    store: Manifest
    records: Iterable[Manifest] = ()
    autoscaler: Manifest | None = None


def samples(objects: Objects) -> Iterator[Sample]:
    """Yield the samples about a BookStore."""
    status = mapping(objects.store.get("status"))
    records = list(objects.records)
    yield from _conditions(status)
    yield from _numbers(status, _SIZES)
    yield from _active(mapping(status.get("active")))
    yield from _schema(status)
    yield from _volumes(mapping(status.get("volumes")))
    yield from _autoscaler(objects.autoscaler)
    yield from _stage(status, records)
    yield from _backups(objects.store, status, records)
    yield from _drill(mapping(status.get("lastDrill")))


def _conditions(status: Manifest) -> Iterator[Sample]:
    for condition in status.get("conditions") or ():
        kind, state, reason = (condition.get(key) for key in ("type", "status", "reason"))
        if kind in CONDITION_TYPES and state in _STATUSES:
            reason = reason if reason in _REASONS else OTHER
            yield Sample(catalog.CONDITION, 1, (kind, state, reason))


_SIZES = {"replicas": catalog.REPLICAS, "readyReplicas": catalog.READY_REPLICAS}


def _active(active: Manifest) -> Iterator[Sample]:
    yield from _numbers(active, {"revision": catalog.ACTIVE_REVISION})
    yield from _times(active, {"promotedAt": catalog.PROMOTED_AT})


def _schema(status: Manifest) -> Iterator[Sample]:
    if revision := status.get("schema"):
        yield Sample(catalog.SCHEMA_INFO, 1, (str(revision)[:_REVISION_LENGTH],))


def _volumes(volumes: Manifest) -> Iterator[Sample]:
    for name in ("database", "backup"):
        if claim := mapping(volumes.get(name)).get("claim"):
            yield Sample(catalog.VOLUME_INFO, 1, (name, str(claim)))


def _autoscaler(autoscaler: Manifest | None) -> Iterator[Sample]:
    if autoscaler is not None:
        desired = {"desiredReplicas": catalog.AUTOSCALER_DESIRED}
        yield from _numbers(mapping(autoscaler.get("status")), desired)
        most = {"maxReplicas": catalog.AUTOSCALER_MAX}
        yield from _numbers(mapping(autoscaler.get("spec")), most)


def _stage(status: Manifest, records: Iterable[Manifest]) -> Iterator[Sample]:
    """Yield since when the newest release is in its stage, while it has stages ahead."""
    stage = status.get("stage")
    if not stage:
        return
    newest = _record(records, release.KIND, status.get("release"))
    if since := timestamp(newest.get("stageStartedAt")):
        name = str(newest.get("stage"))
        yield Sample(catalog.STAGE_SINCE, since, (name if find_stage(name) else OTHER,))


def _backups(store: Manifest, status: Manifest, records: Iterable[Manifest]) -> Iterator[Sample]:
    spec = mapping(mapping(store.get("spec")).get("backup"))
    yield from _numbers(spec, {"maxAgeSeconds": catalog.BACKUP_MAX_AGE})
    active = mapping(status.get("active")).get("release")
    database = _record(records, release.KIND, active).get("database")
    verified = [
        (began, mapping(record.get("status")))
        for record in records
        if record.get("kind") == backup.KIND
        and _is_proof(mapping(record.get("status")), database)
        and (began := timestamp(mapping(record.get("status")).get("startedAt")))
    ]
    if verified:
        began, newest = max(verified, key=lambda pair: pair[0])
        yield Sample(catalog.BACKUP_VERIFIED, began)
        yield from _numbers(newest, {"sizeBytes": catalog.BACKUP_BYTES})


_DRILLED = {
    "recoveryTimeSeconds": catalog.DRILL_SECONDS,
    "recoveryPointSeconds": catalog.DRILL_POINT,
}


def _drill(last: Manifest) -> Iterator[Sample]:
    if ended := timestamp(last.get("endedAt")):
        result = last.get("result")
        yield Sample(catalog.DRILL_ENDED, ended, (result if result in _RESULTS else OTHER,))
    yield from _times(last, {"succeededAt": catalog.DRILL_SUCCEEDED})
    yield from _numbers(last, _DRILLED)


def _is_proof(status: Manifest, database: object) -> bool:
    """Whether a backup is verified, and of the database that serves."""
    of = status.get("database")
    return status.get("phase") == BackupPhase.VERIFIED and (not database or of in ("", database))


def _record(records: Iterable[Manifest], kind: str, name: object) -> Manifest:
    """Return the status of a record; empty if there is none."""
    for record in records:
        if record.get("kind") == kind and record["metadata"]["name"] == name:
            return mapping(record.get("status"))
    return {}


def _numbers(fields: Manifest, metrics: Mapping[str, Metric]) -> Iterator[Sample]:
    return _converted(fields, metrics, number)


def _times(fields: Manifest, metrics: Mapping[str, Metric]) -> Iterator[Sample]:
    return _converted(fields, metrics, timestamp)


def _converted(
    fields: Manifest, metrics: Mapping[str, Metric], convert: Callable[[Any], float | None]
) -> Iterator[Sample]:
    values = ((metric, convert(fields.get(name))) for name, metric in metrics.items())
    return (Sample(metric, value) for metric, value in values if value is not None)


def exposition(stores: Iterable[tuple[str, str, Iterable[Sample]]]) -> str:
    """Return the samples of all BookStores in Prometheus' text format, by metric.

    Args:
        stores: namespace, name and samples of each.

    """
    lines: dict[str, list[str]] = {metric.name: [] for metric in catalog.STORE_METRICS}
    for namespace, name, found in stores:
        own = f'namespace="{namespace}",bookstore="{name}"'
        for metric, value, labels in found:
            more = "".join(
                f',{label}="{_escaped(text)}"'
                for label, text in zip(metric.labels[2:], labels, strict=True)
            )
            lines[metric.name].append(f"{metric.name}{{{own}{more}}} {value}\n")
    return "".join(chain.from_iterable(_family(metric, lines) for metric in catalog.STORE_METRICS))


def _family(metric: Metric, lines: Mapping[str, list[str]]) -> Iterator[str]:
    yield f"# HELP {metric.name} {metric.meaning}\n# TYPE {metric.name} {metric.kind}\n"
    yield from lines[metric.name]


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
