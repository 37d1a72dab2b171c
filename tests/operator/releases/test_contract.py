"""The contract: it waits for what protects data, and neither ends nor blocks a release."""

from datetime import timedelta
from typing import Any

import pytest

from bookstore_operator.core.plan import Create, Delete, EventType
from bookstore_operator.decide import decide
from bookstore_operator.releases.contracts import contracted_since
from tests.support.backups import add_backup, add_record, add_result
from tests.support.cases.failures import UNPULLABLE
from tests.support.world import CONTRACTED, MIGRATED, TO_CONTRACT, Object, World

pytestmark = pytest.mark.scenario

BACKUP: Object = {"schedule": "0 3 * * *", "beforeMigration": "skip"}
JOB = "demo-r2-contract"
FAILED: Object = {
    **CONTRACTED,
    "code": "failed",
    "message": "Column is used.",
    "schemaAfter": ["0001_books"],
}
LOCKED: Object = {"command": "migrate", "code": "locked", "message": "A table is locked."}


def released(**spec: Any) -> World:
    """Return a BookStore at revision 2, whose image has a contract revision."""
    world = World(spec={"image": "api:1", "backup": BACKUP, **spec})
    world.answers["contract api:2"] = TO_CONTRACT
    world.settle()
    world.change(image="api:2")
    return world.settle()


def after_backup(world: World) -> World:
    """Let a backup begin now, succeed, and be verified."""
    backup = back_up(world)
    return world.run_until(lambda w: is_verified(w, backup))


def back_up(world: World) -> str:
    """Let a backup begin now and succeed; returns its name in the target."""
    world.wait(10)
    began = f"{world.now:%Y%m%dT%H%M%SZ}"
    job = add_backup(world, began=0, name=f"demo-backup-{began.lower()}")
    add_result(world, job, backup={"name": f"{began}-0a1b2c"})
    return f"{began}-0a1b2c"


def is_verified(world: World, backup: str) -> bool:
    records = (record.get("status") or {} for record in world.all("BookStoreBackup"))
    return any(r.get("backup") == backup and r.get("phase") == "Verified" for r in records)


def state(world: World, release: str = "demo-r2") -> tuple[str, str]:
    record = world.release(release).get("contract") or {}
    return record.get("state", ""), record.get("message", "")


def old_pod(world: World, **metadata: Any) -> Object:
    """Let a Pod of revision 1 still exist."""
    serving = "demo-green-0" if world.has("Pod", "demo-green-0") else "demo-blue-0"
    labels = {**world.get("Pod", serving)["metadata"]["labels"]}
    labels |= {"bookstore.dev/revision": "1", "bookstore.dev/color": "blue"}
    pod: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "demo-blue-9", "uid": "old", "labels": labels, **metadata},
        "spec": {"nodeName": "node-7"},
        "status": {"phase": "Running"},
    }
    world.add(pod)
    return pod


# When it runs ----------------------------------------------------------------------------------


def test_the_contract_runs_once_after_a_backup_that_began_after_the_switch() -> None:
    world = released()
    assert world.release("demo-r2")["result"] == "Succeeded", "a pending contract blocks nothing"
    assert world.condition("Ready") == ("True", "Serving")
    assert state(world)[0] == "Pending"
    assert "backup that begins after the switch" in state(world)[1]
    after_backup(world).settle()
    assert state(world) == ("Done", "Applied 1 revision: 0001_contract.")
    assert world.release("demo-r2")["schema"] == ["0001_books", "0001_contract"]
    job = world.get("Job", JOB)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["migrate", "--to", "contract"]
    assert container["image"] == "api:2"
    assert not [e for e in world.events if e.type is EventType.WARNING]
    world.wait(86400 * 2).settle()
    contracts = [a for a in world.done if isinstance(a, Create) and _is_contract(a)]
    assert len(contracts) == 1
    assert contracts[0].irreversible, "it is created after live reads only"
    assert [ref.name for ref in contracts[0].reads] == ["demo-blue"]
    assert decide(world.snapshot(), world.now + timedelta(hours=1)).actions == ()
    assert [e.reason for e in world.events if e.reason.startswith("Contract")] == [
        "ContractRunning",
        "ContractDone",
    ]


def test_a_backup_that_was_found_damaged_protects_no_contract() -> None:
    world = released()
    world.wait(10)
    add_result(world, add_backup(world, began=0))
    add_record(world, "Damaged")
    world.settle()
    assert state(world)[0] == "Pending"
    assert "backup that begins after the switch" in state(world)[1]
    world.wait(10)
    add_result(world, add_backup(world, began=1), backup={"name": "20260101T000100Z-00000b"})
    world.settle()
    assert state(world)[0] == "Done"


def _is_contract(action: Create) -> bool:
    return str(action.manifest["metadata"]["name"]).endswith("-contract")


def test_without_backups_it_stays_pending_and_says_why() -> None:
    world = released(backup=None)
    world.wait(86400).settle()
    assert state(world)[0] == "Pending"
    assert "set spec.backup" in state(world)[1]
    assert world.condition("Ready") == ("True", "Serving")
    assert not world.has("Job", JOB)


@pytest.mark.parametrize("began", [3600, 0], ids=["long-before", "in-the-second-of-the-switch"])
def test_a_backup_that_began_before_the_switch_does_not_count(began: int) -> None:
    world = World(spec={"image": "api:1", "backup": BACKUP})
    world.answers["contract api:2"] = TO_CONTRACT
    world.settle()
    world.change(image="api:2").run_until(lambda w: "demo-r2" in w.switches)
    add_backup(world, began=began)
    world.settle()
    assert state(world)[0] == "Pending"


def test_a_backup_that_is_too_old_by_now_does_not_count() -> None:
    world = released(migration={"contract": "Manual"})
    after_backup(world).wait(86400 * 3)
    world.get("BookStoreRelease", "demo-r2")["spec"]["contractApproved"] = True
    world.settle()
    assert state(world)[0] == "Pending"
    after_backup(world).settle()
    assert state(world)[0] == "Done"


def test_nothing_is_run_if_the_image_has_nothing_to_contract() -> None:
    world = World(spec={"image": "api:1", "backup": BACKUP}).settle()
    after_backup(world).settle()
    assert state(world, "demo-r1")[0] == "NotNeeded"
    assert not world.has("Job", "demo-r1-contract")


def test_never_and_manual() -> None:
    world = released(migration={"contract": "Never"})
    after_backup(world).settle()
    assert state(world) == ("Never", "spec.migration.contract is Never.")
    world.change(migration={"contract": "Manual"}).settle()
    assert state(world)[0] == "Pending"
    assert "contractApproved" in state(world)[1]
    assert not world.has("Job", JOB)
    world.get("BookStoreRelease", "demo-r2")["spec"]["contractApproved"] = True
    world.settle()
    assert state(world)[0] == "Done"


def test_it_waits_for_the_end_of_the_drain() -> None:
    world = World(spec={"image": "api:1", "backup": BACKUP})
    world.answers["contract api:2"] = TO_CONTRACT
    world.settle()
    world.change(image="api:2", rollout={"scaleDownDelaySeconds": 600})
    world.run_until(lambda w: "demo-r2" in w.switches and "servedAt" in w.release("demo-r2"))
    back_up(world)
    world.steps(2)
    assert world.release("demo-r2")["result"] == "Promoted"
    assert not world.has("Job", JOB)
    world.settle()
    assert state(world)[0] == "Done"


@pytest.mark.parametrize(
    "metadata",
    [{}, {"deletionTimestamp": "2026-01-01T00:00:00Z"}],
    ids=["running", "terminating"],
)
def test_it_waits_until_no_pod_of_older_code_is_left(metadata: Object) -> None:
    world = released()
    pod = old_pod(world, **metadata)
    after_backup(world).steps(3)
    assert state(world)[0] == "Pending"
    assert "Pod demo-blue-9" in state(world)[1]
    world.objects = {key: o for key, o in world.objects.items() if o is not pod}
    world.settle()
    assert state(world)[0] == "Done"


def test_pods_of_another_release_with_the_same_image_do_not_count() -> None:
    world = released()
    world.change(config={"docs": False}).settle()
    pod = old_pod(world)
    pod["metadata"]["labels"]["bookstore.dev/revision"] = "2"
    after_backup(world).settle()
    assert state(world, "demo-r3")[0] == "Done"


def test_a_pod_of_a_release_that_was_deleted_counts() -> None:
    world = released()
    pod = old_pod(world)
    pod["metadata"]["labels"]["bookstore.dev/revision"] = "77"
    after_backup(world).steps(3)
    assert not world.has("Job", JOB)


def test_it_waits_for_a_running_backup() -> None:
    world = released()
    after_backup(world)
    world.backup = None
    add_backup(world, began=5, ended=False)
    world.steps(3)
    assert "Waiting for backup Job" in state(world)[1]
    assert not world.has("Job", JOB)


# Failures --------------------------------------------------------------------------------------


def test_a_failed_contract_is_retried_and_never_harms_what_serves() -> None:
    world = released()
    world.contracted = FAILED
    serving = world.get("Service", "demo")["spec"]
    after_backup(world).settle(200)
    assert state(world)[0] == "Failed"
    assert "Column is used." in state(world)[1]
    assert world.release("demo-r2")["contract"]["attempts"] == 3
    assert world.release("demo-r2")["result"] == "Succeeded"
    assert world.condition("Ready") == ("True", "Serving")
    assert world.condition("DatabaseMigrated") == ("True", "ContractFailed")
    assert "ContractFailed" in [e.reason for e in world.events if e.type is EventType.WARNING]
    assert world.get("Service", "demo")["spec"] == serving
    assert "changedAt" not in world.release("demo-r2")["contract"]


def test_a_locked_table_does_not_count() -> None:
    world = released()
    world.contracted = LOCKED
    after_backup(world).run_until(lambda w: w.has("Job", f"{JOB}-6"), rounds=200)
    assert world.release("demo-r2")["contract"].get("failedAttempts", 0) == 0
    world.contracted = CONTRACTED
    world.settle(100)
    assert state(world)[0] == "Done"


def test_newer_code_has_migrated_the_database() -> None:
    """Its release has failed, so an older image serves on it: it contracts nothing."""
    world = released()
    message = "Newer code has migrated this database."
    world.contracted = {
        **CONTRACTED,
        "code": "nothing-to-do",
        "message": message,
        "schemaBefore": ["0001_books", "0007_newer"],
        "schemaAfter": ["0001_books", "0007_newer"],
    }
    after_backup(world).settle()
    assert state(world)[0] == "Pending"
    assert "the next release" in state(world)[1]
    assert world.has("Job", JOB)
    assert not world.has("Job", f"{JOB}-2")


def test_killed_at_any_point_the_operator_contracts_once() -> None:
    world = released()
    after_backup(world)
    for count in range(20):
        world.reconcile(stop_after=count % 5)
        world.tick()
    world.settle()
    assert state(world)[0] == "Done"
    made = [a.manifest["metadata"]["name"] for a in world.done if isinstance(a, Create)]
    assert [name for name in made if "contract" in name] == [JOB]


# Other releases --------------------------------------------------------------------------------


def contracting(status: Object | None = None) -> World:
    """Return a BookStore whose contract runs."""
    world = released()
    if status:
        world.ailing["Job/api:2"] = status
    world.contracted = None
    after_backup(world).run_until(lambda w: w.has("Job", JOB))
    return world.steps(2)


def test_a_release_that_begins_while_it_runs_waits() -> None:
    world = contracting()
    world.change(image="api:3").reach("Expand", "demo-r3").steps(2)
    assert world.condition("Ready") == ("False", "MigrationInProgress")
    assert JOB in world.message("Ready")
    assert world.running_migrations() == [JOB]
    world.contracted = CONTRACTED
    world.settle()
    assert world.switches == ["demo-r1", "demo-r2", "demo-r3"]
    assert world.release("demo-r2")["contract"]["state"] == "Done"


def test_a_release_of_the_same_image_waits_for_it_too() -> None:
    world = contracting()
    world.change(config={"docs": False}).reach("Expand", "demo-r3").steps(2)
    assert world.condition("Ready") == ("False", "MigrationInProgress")


def test_a_contract_that_never_ran_makes_way_for_a_release() -> None:
    world = contracting(UNPULLABLE)
    begun = world.now
    world.change(image="api:3").run_until(lambda w: w.has("Job", "demo-r3-expand"))
    assert (world.now - begun).total_seconds() < 30
    assert not world.has("Job", JOB)
    record = world.release("demo-r2")["contract"]
    assert record.get("failedAttempts", 0) == 0
    assert "changedAt" not in record
    deleted = [a for a in world.done if isinstance(a, Delete) and a.key.name == JOB]
    assert deleted[0].resource_version


def test_a_pending_contract_is_left_to_the_next_release() -> None:
    world = released()
    world.answers["contract api:3"] = TO_CONTRACT
    world.migration = None
    world.change(image="api:3").run_until(lambda w: w.has("Job", "demo-r3-expand"))
    after_backup(world).steps(3)
    assert "demo-r3, whose contract includes" in state(world)[1]
    assert not world.has("Job", JOB)
    world.migration = MIGRATED
    world.settle()
    after_backup(world).settle()
    assert not world.has("Job", JOB)
    assert state(world, "demo-r3")[0] == "Done"


def test_a_failed_release_leaves_the_contract_of_what_serves() -> None:
    world = released()
    world.broken.add("api:3")
    world.change(image="api:3").settle()
    assert world.release("demo-r3")["result"] == "Failed"
    after_backup(world).settle()
    assert state(world)[0] == "Done"


def test_a_replaced_database_is_contracted_anew() -> None:
    world = World(
        spec={
            "image": "api:1",
            "backup": BACKUP,
            "database": {"external": {"secretName": "books"}},
        }
    )
    world.secrets["books"] = frozenset({"uri"})
    world.answers["contract api:1"] = TO_CONTRACT
    world.settle()
    after_backup(world).settle()
    assert state(world, "demo-r1")[0] == "Done"
    world.servers["books"] = "another"
    world.settle()
    assert world.release("demo-r1")["database"] == "another"
    assert world.release("demo-r1")["schema"] == ["0001_books"]
    assert state(world, "demo-r1")[0] == "Pending", "the backup was of another database"
    after_backup(world).settle()
    assert world.has("Job", "demo-r1-contract-2")
    assert state(world, "demo-r1")[0] == "Done"


# Rollback --------------------------------------------------------------------------------------


def since(world: World, release: str) -> str | None:
    snapshot = world.snapshot()
    newer = contracted_since(snapshot, next(r for r in snapshot.releases if r.name == release))
    return newer.name if newer else None


def test_older_code_knows_that_the_schema_was_contracted() -> None:
    world = released()
    assert since(world, "demo-r1") is None
    after_backup(world).settle()
    assert since(world, "demo-r1") == "demo-r2"
    assert since(world, "demo-r2") is None
    world.lose("Job").settle()
    assert since(world, "demo-r1") == "demo-r2"


def test_a_contract_that_runs_or_was_lost_may_have_changed_the_schema() -> None:
    world = contracting()
    assert since(world, "demo-r1") == "demo-r2"
    world.lose("Job").steps(2)
    assert world.release("demo-r2")["contract"]["failedAttempts"] == 1
    assert since(world, "demo-r1") == "demo-r2"


def test_a_contract_that_has_changed_nothing_does_not_keep_older_code_from_coming_back() -> None:
    world = released()
    world.contracted = FAILED
    after_backup(world).settle(200)
    assert since(world, "demo-r1") is None


def test_going_back_to_code_that_the_contract_has_outgrown_is_refused() -> None:
    world = released()
    after_backup(world).settle()
    world.get("BookStoreRelease", "demo-r1")["spec"]["rollback"] = True
    world.settle()
    answer = world.release("demo-r1")["rollback"]
    assert answer["state"] == "Refused"
    assert "demo-r2 (api:2) has contracted the schema" in answer["message"]
    assert world.switches == ["demo-r1", "demo-r2"]
    assert world.condition("Ready") == ("True", "Serving")
