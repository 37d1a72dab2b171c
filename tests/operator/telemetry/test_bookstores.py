"""What a scrape says of BookStores, and what a release's status says of its progress."""

from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bookstore_operator.telemetry import catalog
from bookstore_operator.telemetry.bookstores import Objects, exposition, samples
from bookstore_operator.telemetry.releases import Progress, progress

pytestmark = pytest.mark.golden

AT = "2026-01-02T03:04:05Z"
SECONDS = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()


def release(name: str = "demo-r2", **status: Any) -> dict[str, Any]:
    return {"kind": "BookStoreRelease", "metadata": {"name": name}, "status": status}


def backup(name: str, **status: Any) -> dict[str, Any]:
    return {"kind": "BookStoreBackup", "metadata": {"name": name}, "status": status}


STORE: dict[str, Any] = {
    "kind": "BookStore",
    "metadata": {"name": "demo"},
    "spec": {"backup": {"maxAgeSeconds": 90000}},
    "status": {
        "conditions": [
            {"type": "Ready", "status": "False", "reason": "MigrationFailed"},
            {"type": "Stalled", "status": "True", "reason": "FromANewerOperator"},
            {"type": "FromANewerOperator", "status": "True", "reason": "Serving"},
        ],
        "replicas": 3,
        "readyReplicas": 2,
        "release": "demo-r2",
        "stage": "Expand",
        "active": {"release": "demo-r1", "revision": 1, "promotedAt": AT},
        "lastDrill": {
            "result": "Damaged",
            "endedAt": AT,
            "succeededAt": AT,
            "recoveryTimeSeconds": 2.5,
            "recoveryPointSeconds": 7200,
        },
        "schema": '0007"_books\\',
        "volumes": {"database": {"claim": "data-demo-db-0"}},
    },
}
RECORDS = [
    release("demo-r1", database="one"),
    release("demo-r2", stage="Expand", stageStartedAt=AT),
    backup("b1", phase="Verified", database="one", startedAt="2026-01-01T00:00:00Z", sizeBytes=5),
    backup("b2", phase="Verified", database="one", startedAt=AT, sizeBytes=7),
    backup("b3", phase="Complete", database="one", startedAt="2026-01-03T00:00:00Z"),
    backup("b4", phase="Verified", database="another", startedAt="2026-01-04T00:00:00Z"),
]
AUTOSCALER = {"spec": {"maxReplicas": 5}, "status": {"desiredReplicas": 4}}


def scraped(*objects: Objects) -> dict[tuple[str, ...], float]:
    """Return the values by the metric's name and the labels, as Prometheus parses them."""
    page = exposition(("shop", item.store["metadata"]["name"], samples(item)) for item in objects)
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def test_a_bookstore_is_told_by_its_objects() -> None:
    store = ("shop", "demo")
    assert scraped(Objects(STORE, RECORDS, AUTOSCALER)) == {
        ("bookstore_condition", *store, "Ready", "False", "MigrationFailed"): 1,
        ("bookstore_condition", *store, "Stalled", "True", "Other"): 1,
        ("bookstore_replicas", *store): 3,
        ("bookstore_ready_replicas", *store): 2,
        ("bookstore_autoscaler_desired_replicas", *store): 4,
        ("bookstore_autoscaler_max_replicas", *store): 5,
        ("bookstore_active_revision", *store): 1,
        ("bookstore_release_promoted_timestamp_seconds", *store): SECONDS,
        ("bookstore_release_stage_timestamp_seconds", *store, "Expand"): SECONDS,
        ("bookstore_schema_info", *store, '0007"_books\\'): 1,
        ("bookstore_volume_info", *store, "database", "data-demo-db-0"): 1,
        ("bookstore_backup_verified_timestamp_seconds", *store): SECONDS,
        ("bookstore_backup_max_age_seconds", *store): 90000,
        ("bookstore_backup_size_bytes", *store): 7,
        ("bookstore_drill_timestamp_seconds", *store, "Damaged"): SECONDS,
        ("bookstore_drill_succeeded_timestamp_seconds", *store): SECONDS,
        ("bookstore_drill_recovery_seconds", *store): 2.5,
        ("bookstore_drill_recovery_point_seconds", *store): 7200,
    }


def test_every_metric_of_the_catalog_has_a_sample_and_its_labels() -> None:
    found = {sample.metric.name for sample in samples(Objects(STORE, RECORDS, AUTOSCALER))}
    assert found == {metric.name for metric in catalog.STORE_METRICS}
    for sample in samples(Objects(STORE, RECORDS, AUTOSCALER)):
        assert len(sample.labels) == len(sample.metric.labels) - 2, sample.metric.name


@pytest.mark.parametrize(
    "status",
    [
        None,
        {},
        {"conditions": None, "active": None, "volumes": None, "stage": None, "replicas": None},
        {"active": {"promotedAt": "yesterday", "revision": "one"}, "replicas": "3"},
        {"stage": "Expand", "release": "gone", "active": {"release": "gone"}},
    ],
)
def test_what_is_not_there_or_not_as_expected_has_no_sample(status: Any) -> None:
    store = {"kind": "BookStore", "metadata": {"name": "demo"}, "spec": {}, "status": status}
    odd = [release(stage="Expand", stageStartedAt=7), backup("b", phase="Verified")]
    assert scraped(Objects(store, odd)) == {}


def test_each_family_is_named_once_for_all_bookstores() -> None:
    other = {**STORE, "metadata": {"name": "other"}}
    page = exposition(
        ("shop", item["metadata"]["name"], samples(Objects(item))) for item in (STORE, other)
    )
    kinds = [line for line in page.splitlines() if line.startswith("# TYPE bookstore_replicas ")]
    assert len(kinds) == 1
    assert {key[2] for key in scraped(Objects(STORE), Objects(other))} == {"demo", "other"}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {"stage": "Validate", "stageStartedAt": AT}, Progress()),
        (
            {"stage": "Expand", "stageStartedAt": "2026-01-02T03:04:00Z"},
            {"stage": "Start", "stageStartedAt": AT},
            Progress("Expand", 5.0),
        ),
        ({"stage": "Start", "stageStartedAt": AT}, {"stage": "Start"}, Progress()),
        (
            {"stage": "NewerOne", "stageStartedAt": "2026-01-02T03:05:00Z"},
            {"stage": "Start", "stageStartedAt": AT},
            Progress("Other", 0.0),
        ),
        ({"stage": "A", "stageStartedAt": "?"}, {"stage": "B", "stageStartedAt": AT}, Progress()),
        ({}, {"result": "Failed"}, Progress(result="Failed")),
        ({"result": "Failed"}, {"result": "Failed"}, Progress()),
        ({"result": "Promoted"}, {"result": "NewerOne"}, Progress(result="Other")),
    ],
)
def test_a_write_counts_what_is_new_in_it(
    before: dict[str, Any], after: dict[str, Any], expected: Progress
) -> None:
    assert progress(before, after) == expected


def test_every_label_that_is_no_name_has_a_bound() -> None:
    """A label that is added must be added here, with what bounds it."""
    bounded = {
        *("namespace", "bookstore"),  # the BookStores themselves
        *("volume", "persistentvolumeclaim", "revision"),  # one or two for each of them
        *("type", "status", "reason", "stage", "result", "method", "code", "version"),
    }
    assert {label for metric in catalog.METRICS.values() for label in metric.labels} <= bounded
