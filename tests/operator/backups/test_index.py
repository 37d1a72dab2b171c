"""The operator's index of backups: a record for each Job, as far as the target has its backup."""

from typing import Any

import pytest

from tests.support.backups import add_backup
from tests.support.world import World

pytestmark = pytest.mark.scenario

SPEC: dict[str, Any] = {"image": "api:1", "backup": {"schedule": "0 3 * * *"}}


def stored(day: int) -> str:
    return f"202601{day:02}T030000Z-00000{day % 10}"


def result(name: str, states: dict[str, str], total: int | None = None) -> dict[str, Any]:
    """Return what `create` says: the backup, and the newest of the target with their states."""
    listed = [{"name": item, "state": state, "size": 5} for item, state in states.items()]
    return {
        "command": "create",
        "code": "done",
        "message": f"Backed up 5 rows as {name}.",
        "backup": {
            "name": name,
            "started": "2026-01-01T03:00:00+00:00",
            "completed": "2026-01-01T03:01:00+00:00",
            "size": 4711,
            "recipients": ["age1…"],
            "schemaRevisions": ["0001_books"],
        },
        "backups": listed,
        "total": len(listed) if total is None else total,
    }


def shop() -> World:
    return World(spec=SPEC).settle()


def end_backup(world: World, message: dict[str, Any], *, began: int, succeeded: bool = True) -> str:
    """Let a Job of the schedule end with a termination message; returns its name."""
    name = add_backup(world, began=began, ended=succeeded)
    job = world.get("Job", name)
    if not succeeded:
        job["status"] = {"startTime": job["status"]["startTime"]}
        world._end(job, succeeded=False)
    world._add_pod(job, world._terminated(job, message, succeeded=succeeded))
    return name


def records(world: World) -> dict[str, dict[str, Any]]:
    """Return the records by the names of their Jobs."""
    return {record["spec"].get("job", ""): record for record in world.all("BookStoreBackup")}


def phase(world: World, job: str) -> str:
    text: str = records(world)[job]["status"]["phase"]
    return text


def test_each_job_of_the_schedule_gets_a_record_with_what_the_tool_says() -> None:
    world = shop()
    job = end_backup(world, result(stored(1), {stored(1): "Complete"}), began=60)
    world.settle()
    record = records(world)[job]
    assert record["spec"] == {"storeName": "demo", "reason": "Manual", "job": job}
    status = record["status"]
    assert status["backup"] == stored(1)
    assert (status["sizeBytes"], status["encrypted"]) == (4711, True)
    assert status["schema"] == ["0001_books"]
    assert status["startedAt"] == "2026-01-01T03:00:00Z"
    assert "ownerReferences" not in record["metadata"], "it outlives the BookStore, as backups do"


def test_records_are_owned_where_the_backups_are_deleted_with_the_bookstore() -> None:
    world = shop().change(deletionPolicy="Delete")
    job = end_backup(world, result(stored(1), {stored(1): "Complete"}), began=60)
    world.settle()
    (owner,) = records(world)[job]["metadata"]["ownerReferences"]
    assert owner["kind"] == "BookStore"


def test_a_running_backup_is_shown_and_its_failure_too() -> None:
    world = shop()
    job = add_backup(world, began=5, ended=False)
    world.reconcile()
    world.reconcile()
    assert phase(world, job) == "Running"
    world._end(world.get("Job", job), succeeded=False)
    failed = {"command": "create", "code": "disk-full", "message": "The volume is full."}
    pod = world._terminated(world.get("Job", job), failed, succeeded=False)
    world._add_pod(world.get("Job", job), pod)
    world.settle()
    status = records(world)[job]["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "BackupFailed")
    assert "The volume is full." in status["message"]


def test_a_job_that_is_lost_while_it_runs_is_a_failed_backup() -> None:
    world = shop()
    job = add_backup(world, began=5, ended=False)
    world.reconcile()
    del world.objects[next(key for key in world.objects if key.name == job)]
    world.settle()
    assert phase(world, job) == "Failed"
    assert "before its result was read" in records(world)[job]["status"]["message"]


@pytest.mark.parametrize("actions", range(6))
def test_an_operator_killed_anywhere_in_between_makes_one_record_of_a_job(actions: int) -> None:
    world = shop()
    job = end_backup(world, result(stored(1), {stored(1): "Complete"}), began=60)
    world.reconcile(stop_after=actions)
    world.settle()
    assert [*records(world)] == [job]
    assert records(world)[job]["status"]["backup"] == stored(1)


def test_a_record_that_somebody_deletes_comes_back_as_long_as_its_job_is_there() -> None:
    world = shop()
    job = end_backup(world, result(stored(1), {stored(1): "Complete"}), began=60)
    world.settle().lose("BookStoreBackup").settle()
    assert [*records(world)] == [job]


def test_records_follow_what_the_target_holds() -> None:
    """Given two backups, when retention has deleted the first, then its record goes, too."""
    world = shop()
    first = end_backup(world, result(stored(1), {stored(1): "Complete"}), began=90)
    world.settle()
    second = end_backup(world, result(stored(2), {stored(2): "Complete"}), began=60)
    world.settle()
    assert [*records(world)] == [second]
    assert world.has("Job", first), "and it does not come back, though the Job is there"


def test_a_list_that_was_cut_says_nothing_of_older_backups() -> None:
    world = shop()
    first = end_backup(world, result(stored(1), {stored(1): "Complete"}), began=90)
    world.settle()
    second = end_backup(world, result(stored(2), {stored(2): "Complete"}, total=2), began=60)
    world.settle()
    assert {*records(world)} == {first, second}


def test_the_target_says_what_others_have_found_of_a_backup() -> None:
    world = shop()
    first = end_backup(world, result(stored(1), {stored(1): "Complete"}), began=90)
    world.settle()
    end_backup(world, result(stored(2), {stored(2): "Complete", stored(1): "Damaged"}), began=60)
    world.settle()
    assert phase(world, first) == "Damaged"
    assert [e.regarding.name for e in world.events if e.reason == "BackupDamaged"]


def test_few_records_of_failed_backups_are_kept() -> None:
    world = shop()
    for minute in range(25):
        end_backup(world, {"code": "failed", "message": "No."}, began=60 * minute, succeeded=False)
    world.settle()
    assert len(records(world)) == 20
    assert "demo-backup-0" in records(world), "the newest"


def test_a_job_of_the_same_name_as_a_former_one_gets_a_record_of_its_own() -> None:
    """As after a BookStore was deleted and created again: its records have no owner."""
    world = shop()
    job = end_backup(world, result(stored(1), {stored(1): "Complete"}), began=60)
    world.settle()
    world.get("Job", job)["metadata"]["uid"] = "another"
    world.get("Pod", f"{job}-x")["metadata"]["ownerReferences"] = [{"uid": "another"}]
    world.settle()
    assert len(world.all("BookStoreBackup")) == 2


FOUND = "20251230T030000Z-abcdef"


def found(world: World) -> list[dict[str, Any]]:
    records = world.all("BookStoreBackup")
    return [record for record in records if record["spec"].get("reason") == "Found"]


def test_what_the_target_held_before_gets_a_record_that_proves_nothing_of_this_database() -> None:
    world = shop()
    states = {stored(1): "Complete", FOUND: "Verified", "20251232T250000Z-abcdef": "Complete"}
    job = end_backup(world, result(stored(1), states), began=60)
    world.settle()
    (record,) = found(world)
    status = record["status"]
    assert (status["phase"], status["backup"], status["database"]) == ("Verified", FOUND, "unknown")
    assert (status["startedAt"], status["sizeBytes"]) == ("2025-12-30T03:00:00Z", 5)
    assert "ownerReferences" not in record["metadata"]
    assert phase(world, job) == "Verified", "the newest was verified, and not this one"
    assert len(world.all("Job")) == len({item["metadata"]["name"] for item in world.all("Job")})
    end_backup(world, result(stored(2), {stored(2): "Complete", stored(1): "Complete"}), began=0)
    world.settle()
    assert not found(world), "retention has deleted it"


@pytest.mark.parametrize("actions", range(6))
def test_an_operator_killed_anywhere_in_between_finds_a_backup_once(actions: int) -> None:
    world = shop()
    end_backup(world, result(stored(1), {stored(1): "Complete", FOUND: "Complete"}), began=60)
    world.reconcile(stop_after=actions)
    world.settle()
    (record,) = found(world)
    assert record["status"]["backup"] == FOUND
    assert not [job for job in world.all("Job") if job["metadata"]["name"].endswith("-backup")]


def test_a_backup_whose_result_was_lost_is_found_and_its_attempt_stays_a_failed_one() -> None:
    world = shop()
    job = add_backup(world, began=90, ended=False)
    world.reconcile()
    del world.objects[next(key for key in world.objects if key.name == job)]
    end_backup(world, result(stored(2), {stored(2): "Complete", stored(1): "Complete"}), began=5)
    world.settle()
    assert phase(world, job) == "Failed"
    assert [record["status"]["backup"] for record in found(world)] == [stored(1)]


def test_a_record_that_a_person_calls_found_asks_for_nothing_and_goes() -> None:
    world = shop()
    world.add(
        {
            "apiVersion": "bookstore.dev/v1alpha1",
            "kind": "BookStoreBackup",
            "metadata": {"name": "x", "uid": "x", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"storeName": "demo", "reason": "Found"},
        }
    )
    world.settle()
    assert not found(world)


def test_a_result_that_is_seen_after_the_end_of_its_job_is_waited_for() -> None:
    """Jobs and Pods are watched apart."""
    world = shop()
    job = end_backup(world, result(stored(1), {stored(1): "Complete"}), began=60)
    pod = world.get("Pod", f"{job}-x")
    ended, pod["status"] = pod["status"], {"phase": "Running"}
    world.reconcile()
    assert phase(world, job) == "Running"
    pod["status"] = ended
    world.settle()
    assert (phase(world, job), records(world)[job]["status"]["backup"]) == ("Verified", stored(1))
