"""When backups are due, and when one is missing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bookstore_operator.components.backup.schedule import last_success
from bookstore_operator.core.kinds import key_of
from bookstore_operator.crd.spec.backup import Backup
from bookstore_operator.workloads.cron import ALIASES, due_after
from tests.support.world import BEGIN, STORE_KEY, World

pytestmark = pytest.mark.scenario

MONDAY = datetime(2026, 1, 5, 12, 30, tzinfo=UTC)
LATE = timedelta(seconds=600 + 3600 + 60)
"""How late a backup may be: its time to start, its time to run, and a minute to be reported."""


@pytest.mark.parametrize(
    ("schedule", "due"),
    [
        ("* * * * *", "2026-01-05 12:31"),
        ("*/20 * * * *", "2026-01-05 12:40"),
        ("30 12 * * *", "2026-01-06 12:30"),
        ("17 3 * * *", "2026-01-06 03:17"),
        ("0 3 * * 1-5", "2026-01-06 03:00"),
        ("0 3 ? * sun,sat", "2026-01-10 03:00"),
        ("0 0 13 * 5", "2026-01-09 00:00"),
        ("0 0 29 2 *", "2028-02-29 00:00"),
        ("0 3 1 JAN *", "2027-01-01 03:00"),
        ("@hourly", "2026-01-05 13:00"),
        ("@daily", "2026-01-06 00:00"),
        ("@weekly", "2026-01-11 00:00"),
        ("@monthly", "2026-02-01 00:00"),
        ("0 0 31 2 *", None),
        ("nothing of the kind is one", None),
        ("99 * * * *", None),
    ],
)
def test_a_schedule_says_when_the_next_backup_is_due(schedule: str, due: str | None) -> None:
    at = due_after(schedule, MONDAY)
    assert (at and at.strftime("%Y-%m-%d %H:%M")) == due


@pytest.mark.parametrize("word", ["hourly", "daily", "weekly", "monthly", "yearly", "midnight"])
def test_each_alias_that_the_crd_accepts_is_parsed(word: str) -> None:
    schedule = f"@{word}"
    try:
        Backup(schedule=schedule)
    except ValidationError:
        assert schedule not in ALIASES
    else:
        assert due_after(schedule, MONDAY)


def backed_up(schedule: str, suspend: bool = False) -> World:
    backup = {"schedule": schedule, "suspend": suspend}
    return World(spec={"image": "api:1", "backup": backup}).settle()


def says(world: World, now: datetime) -> tuple[str, str]:
    """What BackupHealthy is at a time."""
    world.now = now
    world.reconcile()
    return world.condition("BackupHealthy")


def succeeded(world: World, at: datetime) -> None:
    time = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    world.get("CronJob", "demo-backup")["status"] = {"lastSuccessfulTime": time}
    record = {
        "apiVersion": STORE_KEY.api_version,
        "kind": "BookStoreBackup",
        "metadata": {"name": f"demo-{at:%s}", "namespace": "shop", "uid": f"{at:%s}"},
        "spec": {"storeName": "demo", "reason": "Scheduled", "job": "gone"},
        "status": {"phase": "Verified", "backup": "20260101T000000Z-000000", "startedAt": time},
    }
    world.add(record)


def a_job(world: World, **status: Any) -> None:
    labels = world.get("CronJob", "demo-backup")["spec"]["jobTemplate"]["metadata"]["labels"]
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "by-hand",
            "labels": labels,
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "status": status,
    }
    world.objects[key_of(job)] = job


def test_a_backup_is_overdue_when_all_its_time_is_over_and_not_before() -> None:
    world = backed_up("0 3 * * *")
    due = BEGIN.replace(hour=3)
    assert says(world, due + LATE) == ("Unknown", "NoBackupYet")
    assert says(world, due + LATE + timedelta(seconds=1)) == ("False", "BackupOverdue")
    succeeded(world, due + timedelta(minutes=2))
    assert says(world, world.now) == ("True", "BackedUp")
    tomorrow = due + timedelta(days=1)
    assert says(world, tomorrow + LATE) == ("True", "BackedUp")
    assert says(world, tomorrow + LATE + timedelta(seconds=1)) == ("False", "BackupOverdue")
    assert "The last backup succeeded at 2026-01-01 03:02 UTC" in world.message("BackupHealthy")
    assert "the next was due at 2026-01-02 03:00 UTC" in world.message("BackupHealthy")


def test_an_uneven_schedule_raises_no_false_alarm_over_a_weekend() -> None:
    world = backed_up("0 3 * * 1-5")
    world.change(backup={"schedule": "0 3 * * 1-5", "maxAgeSeconds": 4 * 86400})
    friday = datetime(2026, 1, 9, 3, 1, tzinfo=UTC)
    succeeded(world, friday)
    assert says(world, datetime(2026, 1, 12, 3, 0, tzinfo=UTC)) == ("True", "BackedUp")
    assert says(world, datetime(2026, 1, 12, 5, 0, tzinfo=UTC)) == ("False", "BackupOverdue")


@settings(deadline=None)
@given(st.integers(0, 23), st.integers(0, 59), st.integers(0, 40))
def test_a_schedule_that_is_kept_is_never_overdue(hour: int, minute: int, days: int) -> None:
    world = World(spec={"image": "api:1", "backup": {"schedule": f"{minute} {hour} * * *"}})
    world.run_until(lambda _: world.has("CronJob", "demo-backup"))
    last = BEGIN.replace(hour=hour, minute=minute) + timedelta(days=days)
    succeeded(world, last + timedelta(minutes=9))
    assert says(world, last + timedelta(days=1)) == ("True", "BackedUp")


def test_a_backup_made_by_hand_counts_though_the_cronjob_lacks_it() -> None:
    world = backed_up("@daily")
    late = BEGIN + timedelta(days=4)
    assert says(world, late) == ("False", "BackupOverdue")
    at = late.strftime("%Y-%m-%dT%H:%M:%SZ")
    a_job(world, conditions=[{"type": "Complete", "status": "True"}], completionTime=at)
    assert last_success(world.snapshot()) == late
    assert says(world, late) == ("False", "BackupStale"), "it is not verified"
    assert world.store["status"]["lastBackupAt"] == at


def test_suspended_and_failed_backups_are_reported_as_such() -> None:
    late = BEGIN + timedelta(days=4)
    assert says(backed_up("@daily", suspend=True), late) == ("Unknown", "Suspended")
    world = backed_up("@daily")
    a_job(world, conditions=[{"type": "Failed", "status": "True"}])
    assert says(world, late) == ("False", "BackupFailed")


def test_an_overdue_backup_is_reported_once_and_causes_no_more_writes() -> None:
    world = backed_up("@hourly")
    says(world, BEGIN + timedelta(days=1))
    overdue = [event for event in world.events if event.reason == "BackupOverdue"]
    assert len(overdue) == 1
    done = len(world.done)
    for hours in range(1, 48):
        says(world, BEGIN + timedelta(days=1, hours=hours))
    assert len(world.done) == done


def test_one_suspended_by_hand_is_resumed() -> None:
    """Unlike a controller that is down, that is drift."""
    world = backed_up("@daily")
    world.get("CronJob", "demo-backup")["spec"]["suspend"] = True
    world.settle()
    assert world.get("CronJob", "demo-backup")["spec"]["suspend"] is False


@pytest.mark.parametrize(
    ("schedule", "since", "due"),
    [
        ("30 2 * * *", "2026-03-27T12:00:00Z", "2026-03-28 01:30"),  # winter: UTC+1
        ("30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-30 00:30"),  # there is no 02:30 on the 29th
        ("0 3 * * *", "2026-03-28T12:00:00Z", "2026-03-29 01:00"),
        ("30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25 00:30"),  # 02:30 comes twice: the first
        ("0 3 * * *", "2026-10-24T12:00:00Z", "2026-10-25 02:00"),
        ("30 2 29 3 *", "2026-01-01T00:00:00Z", "2027-03-29 00:30"),
    ],
)
def test_a_schedule_follows_the_clock_of_its_time_zone(schedule: str, since: str, due: str) -> None:
    at = due_after(schedule, datetime.fromisoformat(since), "Europe/Berlin")
    assert at is not None
    assert at.strftime("%Y-%m-%d %H:%M") == due


def test_a_time_zone_that_does_not_exist_is_left_to_the_api_server() -> None:
    assert due_after("@daily", MONDAY, "Europe/Atlantis") is None


def test_a_backup_is_due_by_the_time_zone_of_its_schedule() -> None:
    backup = {"schedule": "0 3 * * *", "timeZone": "Asia/Tokyo"}
    world = World(spec={"image": "api:1", "backup": backup}).settle()
    assert world.get("CronJob", "demo-backup")["spec"]["timeZone"] == "Asia/Tokyo"
    due = BEGIN.replace(hour=18)
    assert says(world, due + LATE) == ("Unknown", "NoBackupYet")
    assert says(world, due + LATE + timedelta(seconds=1)) == ("False", "BackupOverdue")
    assert "18:00 UTC (0 3 * * * in Asia/Tokyo)" in world.message("BackupHealthy")
