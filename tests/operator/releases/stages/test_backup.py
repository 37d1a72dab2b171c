"""Stage Backup: a fresh backup, or one made for the release, before its migration."""

from functools import partial
from typing import Any

import pytest

from bookstore_operator.core.labels import DATABASE_ANNOTATION
from bookstore_operator.core.plan import Action, Create, EventType, WriteStatus
from tests.support.backups import add_backup, add_record, add_result
from tests.support.world import BACKED_UP, BACKUP_NAME, Object, World

pytestmark = pytest.mark.scenario

BACKUP: Object = {"schedule": "0 3 * * *"}
FAILED: Object = {"command": "backup", "code": "failed", "message": "pg_dump: no such table."}
OWN = "demo-r2-backup"


def backed_up(**fields: Any) -> World:
    """Return a BookStore with backups that is ready at revision 1."""
    return World(spec={"image": "api:1", "backup": {**BACKUP, **fields}}).settle()


def backups_made(world: World) -> list[str]:
    created = [action.manifest for action in world.done if isinstance(action, Create)]
    jobs = (m["metadata"]["name"] for m in created if m["kind"] == "Job")
    return [name for name in jobs if "-backup" in name and "-verify-" not in name]


def test_a_release_makes_a_backup_before_its_migration_and_only_one() -> None:
    world = backed_up()
    world.change(image="api:2").settle()
    assert world.switches == ["demo-r1", "demo-r2"]
    assert backups_made(world) == [OWN]
    made = [a.manifest["metadata"]["name"] for a in world.done if isinstance(a, Create)]
    assert made.index(OWN) < made.index("demo-r2-expand")
    run = world.release("demo-r2")["backup"]
    assert run["succeeded"]
    assert run["message"] == f"Backup {BACKUP_NAME} (Job {OWN}) was made for this release."
    job, template = (
        world.get("Job", OWN),
        world.get("CronJob", "demo-backup")["spec"]["jobTemplate"],
    )
    assert job["spec"]["activeDeadlineSeconds"] == template["spec"]["activeDeadlineSeconds"]
    assert job["metadata"]["annotations"] == template["metadata"]["annotations"]
    owner = world.get("BookStoreRelease", "demo-r2")["metadata"]["uid"]
    assert [o["uid"] for o in job["metadata"]["ownerReferences"]] == [owner]
    assert not [e for e in world.events if e.type is EventType.WARNING]


def test_a_backup_job_says_why_it_is_made() -> None:
    world = backed_up()
    world.change(image="api:2").settle()
    template = world.get("CronJob", "demo-backup")["spec"]["jobTemplate"]["spec"]["template"]
    made = world.get("Job", OWN)["spec"]["template"]
    by_schedule, own = (pod["spec"]["containers"][0]["args"] for pod in (template, made))
    assert by_schedule[:2] == ["create", "--reason=Scheduled"]
    assert own == ["create", "--reason=BeforeMigration", *by_schedule[2:]]


def test_without_an_image_for_the_server_the_release_says_what_to_set() -> None:
    world = backed_up()
    world.backup_images = {17: "backup:17"}
    world.change(image="api:2").reach("Backup").step()
    assert world.condition("Ready") == ("False", "BackupImageMissing")
    for condition in ("Ready", "BackupHealthy"):
        assert "Set the operator's --backup-image=18=IMAGE" in world.message(condition)
    world.backup_images = {17: "backup:17", 18: "backup:18"}
    world.settle()
    assert world.switches == ["demo-r1", "demo-r2"]
    assert (
        world.get("Job", OWN)["spec"]["template"]["spec"]["containers"][0]["image"] == "backup:18"
    )


@pytest.mark.parametrize(
    ("code", "target", "advice"),
    [
        ("disk-full", {}, "Increase spec.backup.storage.size"),
        ("disk-full", {"volume": {}}, "Increase spec.backup.target.volume.size"),
        ("disk-full", {"s3": {"bucket": "books"}}, "Raise the quota of the bucket"),
        ("no-tools", {}, "--backup-image=MAJOR=IMAGE"),
        ("target-authentication-failed", {}, "spec.backup.target.s3.credentialsSecretName"),
        ("dump-failed", {}, "said."),
    ],
)
def test_a_code_of_the_tool_names_the_field_to_change(
    code: str, target: Object, advice: str
) -> None:
    world = backed_up(**({"target": target} if target else {}))
    world.backup = {"command": "create", "code": code, "message": "What the tool said."}
    world.change(image="api:2").settle()
    message = world.message("Ready")
    assert "(Job demo-r2-backup) failed: What the tool said." in message
    assert advice in message


def test_a_backup_that_was_found_damaged_does_not_protect() -> None:
    world = backed_up()
    add_result(world, add_backup(world))
    add_record(world, "Damaged")
    world.change(image="api:2").settle()
    assert backups_made(world) == [OWN]


def test_a_backup_is_recorded_before_it_is_made() -> None:
    world = backed_up()
    world.change(image="api:2").run_until(lambda w: w.has("Job", OWN))
    created = [
        bool(action.status["backup"]["created"])
        for action in world.done
        if isinstance(action, WriteStatus) and action.status.get("backup", {}).get("attempt")
    ]
    assert created[:2] == [False, True]
    made = next(i for i, a in enumerate(world.done) if isinstance(a, Create) and _names(a, OWN))
    recorded = next(i for i, a in enumerate(world.done) if _records(a))
    assert recorded < made


def _names(action: Create, name: str) -> bool:
    return bool(action.manifest["metadata"]["name"] == name)


def _records(action: Action) -> bool:
    return isinstance(action, WriteStatus) and bool(action.status.get("backup", {}).get("attempt"))


@pytest.mark.parametrize(("began", "made"), [(86000, []), (86500, [OWN])], ids=["fresh", "old"])
def test_a_backup_is_fresh_by_when_it_began(began: int, made: list[str]) -> None:
    world = backed_up()
    name = add_backup(world, began=began)
    world.change(image="api:2").settle()
    assert backups_made(world) == made
    assert (name in world.release("demo-r2")["backup"]["message"]) is not bool(made)


def test_always_needs_a_backup_that_began_after_the_release() -> None:
    world = backed_up(beforeMigration="always")
    add_backup(world, began=1)
    world.change(image="api:2").settle()
    assert backups_made(world) == [OWN]


def test_a_failed_backup_does_not_protect() -> None:
    world = backed_up()
    name = add_backup(world)
    world.get("Job", name)["status"] = {"conditions": [{"type": "Failed", "status": "True"}]}
    world.change(image="api:2").settle()
    assert backups_made(world) == [OWN]


def test_a_backup_of_another_database_does_not_protect() -> None:
    world = backed_up()
    name = add_backup(world)
    world.get("Job", name)["metadata"]["annotations"] = {DATABASE_ANNOTATION: "uid-of-another"}
    world.change(image="api:2").settle()
    assert backups_made(world) == [OWN]


def test_the_backup_jobs_of_a_cron_job_have_the_database() -> None:
    world = backed_up()
    template = world.get("CronJob", "demo-backup")["spec"]["jobTemplate"]["metadata"]
    claim = world.get("PersistentVolumeClaim", "data-demo-db-0")["metadata"]["uid"]
    assert template["annotations"][DATABASE_ANNOTATION] == claim


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"backup": None}, "No backup: spec.backup is not set."),
        (
            {"backup": {**BACKUP, "beforeMigration": "skip"}},
            "No backup: spec.backup.beforeMigration is skip.",
        ),
    ],
)
def test_what_is_not_backed_up_is_said(spec: Object, why: str) -> None:
    world = backed_up()
    world.change(image="api:2", **spec).settle()
    assert backups_made(world) == []
    assert world.release("demo-r2")["backup"]["message"] == why
    assert world.switches == ["demo-r1", "demo-r2"]


def test_a_release_that_migrates_nothing_needs_no_backup() -> None:
    world = backed_up(beforeMigration="always")
    world.change(config={"docs": False}).settle()
    assert backups_made(world) == []
    assert "migrates nothing" in world.release("demo-r2")["backup"]["message"]


def test_a_new_embedded_database_has_nothing_to_back_up() -> None:
    world = backed_up()
    assert backups_made(world) == []
    assert world.release("demo-r1")["backup"]["message"] == "No backup: the database is new."


def test_a_retained_volume_is_backed_up_before_the_first_migration() -> None:
    world = backed_up()
    world.delete_store()
    world.wait(60).create_store({"image": "api:2", "backup": BACKUP})
    world.done.clear()
    world.settle()
    assert backups_made(world) == ["demo-r1-backup"]
    assert world.condition("Ready") == ("True", "Serving")


def test_a_failed_backup_fails_the_release_with_its_cause() -> None:
    world = backed_up()
    world.backup = FAILED
    world.change(image="api:2").settle()
    assert world.release("demo-r2")["result"] == "Failed"
    assert world.condition("Ready") == ("False", "BackupFailed")
    assert "(Job demo-r2-backup) failed: pg_dump: no such table." in world.message("Ready")
    assert backups_made(world) == [OWN]
    assert not world.has("Job", "demo-r2-expand"), "nothing is migrated without it"
    assert world.condition("Available") == ("True", "Serving")


def test_a_first_release_repeats_a_failed_backup() -> None:
    spec = {"image": "api:1", "backup": BACKUP, "database": {"external": {"secretName": "books"}}}
    world = World(spec=spec)
    world.secrets["books"] = frozenset({"uri"})
    world.backup = FAILED
    world.run_until(lambda w: w.has("Job", "demo-r1-backup-2"))
    assert world.condition("Stalled") == ("True", "BackupFailed")
    world.backup = BACKED_UP
    world.settle()
    assert world.condition("Ready") == ("True", "Serving")


def test_a_backup_past_its_deadline_fails_the_release() -> None:
    world = backed_up(timeoutSeconds=120)
    world.backup = None
    world.change(image="api:2").run_until(lambda w: w.has("Job", OWN))
    assert world.get("Job", OWN)["spec"]["activeDeadlineSeconds"] == 120
    world.settle()  # its Job is suspended, or its controller is down: it never ends
    assert world.release("demo-r2")["result"] == "Failed"
    assert "spec.backup.timeoutSeconds" in world.message("Ready")


def test_a_job_deleted_unread_is_repeated_but_not_for_ever() -> None:
    world = backed_up()
    world.backup = None
    world.change(image="api:2")
    for name in (OWN, f"{OWN}-2", f"{OWN}-3"):
        world.run_until(partial(World.has, kind="Job", name=name))
        world.lose("Job")
    world.settle()
    assert world.release("demo-r2")["result"] == "Failed"
    assert "deleted before its result was read" in world.message("Ready")


def test_killed_between_record_and_job_the_operator_makes_it_once() -> None:
    world = backed_up()
    world.change(image="api:2").reach("Backup")
    for count in range(12):
        world.reconcile(stop_after=count % 4)
    world.settle()
    assert backups_made(world).count(OWN) == 1
    assert world.switches == ["demo-r1", "demo-r2"]


@pytest.mark.parametrize(
    ("policy", "made"), [("maxAge", []), ("always", [OWN])], ids=["counts", "does-not-count"]
)
def test_a_backup_that_runs_already_is_waited_for(policy: str, made: list[str]) -> None:
    world = backed_up(beforeMigration=policy)
    name = add_backup(world, began=30, ended=False)
    world.backup = None
    world.change(image="api:2").reach("Backup").steps(2)
    assert name in world.message("Ready")
    assert backups_made(world) == []
    world.backup = BACKED_UP
    world.settle()
    assert backups_made(world) == made
    assert world.switches == ["demo-r1", "demo-r2"]


def test_a_backup_that_hangs_is_not_waited_for_longer_than_its_limit() -> None:
    world = backed_up(timeoutSeconds=600)
    add_backup(world, began=30, ended=False)
    world.backup = None
    begun = world.change(image="api:2").reach("Backup").now
    world.run_until(lambda w: w.has("Job", OWN))
    assert 560 <= (world.now - begun).total_seconds() <= 700


def test_suspended_backups_hold_the_release_which_then_fails() -> None:
    world = backed_up(suspend=True)
    world.change(image="api:2").reach("Backup").step()
    assert world.condition("Ready") == ("False", "BackupSuspended")
    world.settle()
    assert world.release("demo-r2")["result"] == "Failed"
    assert "spec.backup.suspend" in world.message("Ready")


def test_a_fresh_backup_counts_though_backups_are_suspended() -> None:
    world = backed_up(suspend=True)
    add_backup(world)
    world.change(image="api:2").settle()
    assert world.switches == ["demo-r1", "demo-r2"]


def test_a_release_that_is_no_longer_wanted_cancels_its_backup() -> None:
    world = backed_up()
    world.backup = None
    world.change(image="api:2").run_until(lambda w: w.has("Job", OWN))
    begun = world.now
    world.change(image="api:1").settle()
    assert not world.has("Job", OWN)
    assert world.release("demo-r2")["result"] == "Superseded"
    assert (world.now - begun).total_seconds() < 10


def test_backups_removed_from_the_spec_cancel_the_release_s_backup() -> None:
    world = backed_up()
    world.backup = None
    world.change(image="api:2").run_until(lambda w: w.has("Job", OWN))
    world.change(backup=None).settle()
    assert not world.has("Job", OWN)
    assert world.switches == ["demo-r1", "demo-r2"]


def test_backups_added_with_the_image_wait_for_their_cron_job() -> None:
    world = World(spec={"image": "api:1"}).settle()
    world.change(image="api:2", backup=BACKUP).settle()
    assert backups_made(world) == [OWN]
    assert world.switches == ["demo-r1", "demo-r2"]
