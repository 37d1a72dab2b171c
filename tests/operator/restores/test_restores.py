"""BookStoreRestores: a backup in a fresh server beside the one that serves, or in a new store."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bookstore_operator.core.plan import ObjectRef
from tests.support.world import RESTORED, World

pytestmark = pytest.mark.scenario

SERVER, CLAIM = "monday-db-restored", "data-monday-db-restored-0"
BACKUP = {"schedule": "0 3 * * *"}
SPEC: dict[str, Any] = {"image": "api:1", "backup": BACKUP}
RESTORES_OWNER, STORES_OWNER = "BookStoreRestore", "BookStore"


def failed(code: str, message: str = "It broke.") -> dict[str, Any]:
    return {"command": "restore", "code": code, "message": message}


def owner(world: World, kind: str, name: str) -> str:
    (reference,) = world.get(kind, name)["metadata"]["ownerReferences"]
    return str(reference["kind"])


def replicas(world: World, name: str) -> int:
    return int(world.get("StatefulSet", name)["spec"]["replicas"])


def database_secret(world: World, kind: str, name: str) -> str:
    volumes = world.get(kind, name)["spec"]["template"]["spec"]["volumes"]
    return str(next(v["secret"]["secretName"] for v in volumes if v["name"] == "database"))


def restored(**more: Any) -> World:
    return World(spec={**SPEC, **more}).settle().create_restore().settle()


def at_approval() -> World:
    return restored().change(database=embedded("monday")).reach("Approve").settle()


def embedded(name: str | None) -> dict[str, Any]:
    return {"embedded": {"restoredFrom": name} if name else {}}


def approve(world: World, release: str = "demo-r2") -> World:
    obj = world.get("BookStoreRelease", release)
    world._put({**obj, "spec": {**obj["spec"], "approved": True}})
    return world


def delete(world: World, kind: str, name: str) -> World:
    key = next(key for key in world.objects if (key.kind, key.name) == (kind, name))
    del world.objects[key]
    return world


# A BookStoreRestore --------------------------------------------------------------------------


def test_a_restore_fills_a_server_of_its_own_and_touches_nothing_that_serves() -> None:
    world = World(spec=SPEC).settle()
    before = {key: copy.deepcopy(obj) for key, obj in world.objects.items()}
    world.create_restore().settle()
    status = world.restore()
    assert (status["phase"], status["backup"]) == ("Complete", RESTORED["name"])
    assert status["dataUntil"] == "2025-12-31T03:17:00Z"
    assert status["recoveryTimeSeconds"] == 2.5
    assert (status["secretName"], status["schema"]) == (SERVER, ["0001_books"])
    untouched = ("StatefulSet", "Deployment", "Service", "BookStoreRelease", "CronJob")
    kept = {k: o for k, o in before.items() if k.kind in untouched}
    assert {key: world.objects[key] for key in kept} == kept
    assert world.get("StatefulSet", SERVER)["metadata"]["ownerReferences"][0]["name"] == "monday"
    assert "RestoreComplete" in {event.reason for event in world.events}


def test_the_pods_of_a_restored_server_belong_to_no_service_of_the_store() -> None:
    world = restored()
    labels = world.get("StatefulSet", SERVER)["spec"]["template"]["metadata"]["labels"]
    for service in ("demo", "demo-db", "demo-preview"):
        selector = world.get("Service", service)["spec"]["selector"]
        assert not selector.items() <= labels.items(), service
    own = world.get("StatefulSet", "demo-db")["spec"]
    assert not own["selector"]["matchLabels"].items() <= labels.items()
    theirs = world.get("Service", SERVER)["spec"]["selector"]
    assert not theirs.items() <= own["template"]["metadata"]["labels"].items()
    policy = world.get("NetworkPolicy", SERVER)["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()


def test_deleting_a_restore_that_nobody_uses_leaves_nothing_behind() -> None:
    world = delete(restored(), "BookStoreRestore", "monday").settle()
    left = [key for key in world.objects if "monday" in key.name]
    assert left == []


def test_a_failed_restore_says_why_and_stops_its_server() -> None:
    world = World(spec=SPEC).settle()
    world.restored = failed("damaged", "Part 3 is not what its manifest says.")
    world.create_restore().settle()
    status = world.restore()
    assert (status["phase"], status["reason"], status["attempts"]) == ("Failed", "RestoreFailed", 1)
    assert "Part 3" in status["message"]
    assert "Restore an older backup" in status["message"]
    assert replicas(world, SERVER) == 0
    assert world.condition("Ready")[0] == "True"
    assert "RestoreFailed" in {event.reason for event in world.events}


def test_what_may_pass_is_repeated_as_often_as_the_spec_says() -> None:
    world = World(spec=SPEC).settle()
    world.restored = failed("target-unreachable")
    world.create_restore(attempts=2).settle()
    jobs = [j["metadata"]["name"] for j in world.all("Job") if "restore" in j["metadata"]["name"]]
    assert jobs == ["monday-restore", "monday-restore-2"]
    assert (world.restore()["phase"], world.restore()["attempts"]) == ("Failed", 2)


def test_a_deleted_job_counts_as_an_attempt() -> None:
    world = World(spec=SPEC).settle()
    world.restored = None
    world.create_restore().run_until(lambda w: w.has("Job", "monday-restore"))
    world.steps(2)
    delete(world, "Job", "monday-restore")
    world.restored = RESTORED
    world.settle()
    assert (world.restore()["phase"], world.restore()["attempts"]) == ("Complete", 2)


def test_a_restore_waits_a_bounded_time_for_its_server() -> None:
    world = World(spec={**SPEC, "rollout": {"progressDeadlineSeconds": 300}}).settle()
    world.ailing = {}
    world.create_restore(into={"external": {"secretName": "nowhere", "key": "uri"}}).settle()
    status = world.restore()
    assert status["phase"] == "Failed"
    assert "not ready within 300 s" in status["message"]
    assert "nowhere" in status["message"]


def test_a_restore_never_goes_into_the_database_that_serves() -> None:
    external = {"external": {"secretName": "books", "key": "uri"}}
    world = World(spec={**SPEC, "database": external})
    world.secrets["books"] = frozenset({"uri"})
    world.secrets["same"] = frozenset({"uri"})
    world.servers = {"same": "books"}
    world.settle()
    world.create_restore(into={"external": {"secretName": "same", "key": "uri"}}).settle()
    assert "the database that serves" in world.restore()["message"]
    assert not world.has("Job", "monday-restore")


def test_a_volume_of_a_former_restore_of_the_name_is_not_touched() -> None:
    world = World(spec=SPEC).settle()
    claim = copy.deepcopy(world.get("PersistentVolumeClaim", "data-demo-db-0"))
    labels = {**claim["metadata"]["labels"], "bookstore.dev/restore": "monday"}
    claim["metadata"] = {"name": CLAIM, "labels": labels}
    world._put(claim)
    world.create_restore().settle()
    assert world.restore()["phase"] == "Failed"
    assert CLAIM in world.restore()["message"]
    assert not world.has("StatefulSet", SERVER)


def test_the_job_reads_the_wanted_backup_with_the_keys_of_the_source() -> None:
    world = World(spec={"image": "api:1"}).settle()
    s3 = {"bucket": "backups", "prefix": "all", "endpoint": "https://s3.example", "region": "eu"}
    source = {
        "before": "2026-11-27T12:00:00Z",
        "store": "other.shop",
        "target": {"s3": {**s3, "credentialsSecretName": "bucket"}},
        "encryption": {"secretName": "keys"},
    }
    world.create_restore(source=source).settle()
    pod = world.get("Job", "monday-restore")["spec"]["template"]["spec"]
    arguments = pod["containers"][0]["args"]
    assert arguments[:2] == ["restore", "latest"]
    wanted = {"--before=2026-11-27T12:00:00Z", "--store=other.shop", "--target=s3://backups/all"}
    assert wanted <= set(arguments)
    secrets = {volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
    assert secrets == {"bucket", "keys", SERVER}


def test_a_source_without_a_target_needs_the_backups_of_the_store() -> None:
    world = World(spec={"image": "api:1"}).settle().create_restore().settle()
    assert "no spec.backup" in world.restore()["message"]


@settings(max_examples=25, deadline=None)
@given(stops=st.lists(st.integers(0, 6), max_size=12))
def test_an_operator_that_is_killed_anywhere_restores_once(stops: list[int]) -> None:
    """Records come before Jobs: whatever was written before it died, one Job restores."""
    world = World(spec=SPEC).settle().create_restore()
    for stop in stops:
        world.reconcile(stop_after=stop)
        world.tick()
    world.settle()
    jobs = [job for job in world.all("Job") if job["metadata"]["name"].startswith("monday")]
    assert len(jobs) == 1
    assert world.restore()["phase"] == "Complete"


# database.embedded.restoredFrom ----------------------------------------------------------------


def test_using_a_restored_database_waits_for_a_person_and_says_what_stays_behind() -> None:
    world = at_approval()
    assert world.condition("Ready") == ("False", "WaitingForApproval")
    message = world.message("Ready")
    assert "2025-12-31 03:17:00 UTC" in message
    assert "stays behind" in message
    assert "kubectl bookstore approve demo" in message
    assert world.switches == ["demo-r1"]


def add_taken(world: World, name: str, backup: str, began: str, rows: int) -> None:
    """Let a BookStoreBackup say how many rows there were."""
    metadata = {"name": name, "uid": name, "creationTimestamp": began}
    taken = {"phase": "Verified", "backup": backup, "startedAt": began, "rows": rows}
    kind = {"apiVersion": "bookstore.dev/v1alpha1", "kind": "BookStoreBackup"}
    spec = {"storeName": "demo", "job": name}
    world.add({**kind, "metadata": metadata, "spec": spec, "status": taken})


def test_who_approves_is_told_how_many_rows_there_were_as_far_as_backups_say_it() -> None:
    world = at_approval()
    restored = str(world.restore()["backup"])
    add_taken(world, "old", restored, "2025-12-31T03:17:00Z", 5)
    world.reconcile()
    assert "rows" not in world.message("Ready"), "there is nothing to compare with"
    add_taken(world, "new", "20260101T031700Z-0000aa", "2026-01-01T03:17:00Z", 9)
    world.reconcile()
    assert (
        "It has 5 rows; the last backup of the database that serves, new, which began at "
        "2026-01-01 03:17:00 UTC, has 9." in world.message("Ready")
    )


def test_each_color_has_its_own_database_until_the_switch() -> None:
    world = at_approval()
    assert database_secret(world, "Deployment", "demo-blue") == "demo-db"
    assert database_secret(world, "Deployment", "demo-green") == SERVER
    assert database_secret(world, "Job", "demo-r2-expand") == SERVER
    assert (replicas(world, "demo-db"), replicas(world, SERVER)) == (1, 1)
    assert database_secret_of_backups(world) == "demo-db"


def database_secret_of_backups(world: World) -> str:
    template = world.get("CronJob", "demo-backup")["spec"]["jobTemplate"]
    volumes = template["spec"]["template"]["spec"]["volumes"]
    return str(next(v["secret"]["secretName"] for v in volumes if v["name"] == "database"))


def test_a_used_server_survives_the_deletion_of_its_restore() -> None:
    world = at_approval()
    assert owner(world, "StatefulSet", SERVER) == STORES_OWNER
    uid = world.get("PersistentVolumeClaim", CLAIM)["metadata"]["uid"]
    delete(world, "BookStoreRestore", "monday").settle()
    approve(world).settle()
    assert world.condition("Ready")[0] == "True"
    assert world.get("PersistentVolumeClaim", CLAIM)["metadata"]["uid"] == uid
    assert world.release("demo-r2")["database"] == uid


def test_the_former_server_is_stopped_after_the_window_and_its_volume_is_kept() -> None:
    world = approve(at_approval())
    world.change(rollout={"rollbackWindowSeconds": 600}).reach("Warm")
    assert (replicas(world, "demo-db"), replicas(world, SERVER)) == (1, 1)
    world.settle()
    assert (replicas(world, "demo-db"), replicas(world, SERVER)) == (0, 1)
    assert world.has("PersistentVolumeClaim", "data-demo-db-0")
    assert database_secret_of_backups(world) == SERVER


def test_a_rollback_in_the_window_goes_back_to_the_former_database() -> None:
    world = approve(at_approval()).change(rollout={"rollbackWindowSeconds": 600}).reach("Warm")
    own = world.get("PersistentVolumeClaim", "data-demo-db-0")["metadata"]["uid"]
    migrations = len(world.migrations())
    world.change(database=embedded(None)).settle()
    assert world.switches[-1] == "demo-r1"
    assert world.release("demo-r1")["database"] == own
    assert len(world.migrations()) == migrations
    assert (replicas(world, "demo-db"), replicas(world, SERVER)) == (1, 0)
    assert world.has("PersistentVolumeClaim", CLAIM)


def test_going_back_later_is_a_release_that_a_person_approves() -> None:
    world = approve(at_approval()).settle()
    assert replicas(world, "demo-db") == 0
    world.change(database=embedded(None)).settle()
    assert world.condition("Ready") == ("False", "WaitingForApproval")
    assert replicas(world, "demo-db") == 1
    approve(world, "demo-r3").settle()
    assert (replicas(world, "demo-db"), replicas(world, SERVER)) == (1, 0)


def test_what_a_person_lets_go_is_removed() -> None:
    world = approve(at_approval()).settle()
    delete(world, "PersistentVolumeClaim", "data-demo-db-0").settle()
    assert not world.has("StatefulSet", "demo-db")
    assert not world.has("Service", "demo-db")
    assert world.condition("Ready")[0] == "True"


def test_a_name_without_a_restore_fails_the_release_and_says_so() -> None:
    world = World(spec={**SPEC, "rollout": {"progressDeadlineSeconds": 300}}).settle()
    world.change(database=embedded("nobody")).reach("Expand")
    world.steps(1)
    assert world.condition("Ready") == ("False", "RestoreMissing")
    world.settle()
    assert world.release("demo-r2")["result"] == "Failed"
    assert not world.has("StatefulSet", "nobody-db-restored")
    assert world.condition("Available")[0] == "True"


def test_a_failed_restore_is_not_used() -> None:
    world = World(spec=SPEC).settle()
    world.restored = failed("content-differs")
    world.create_restore().settle().change(database=embedded("monday")).reach("Expand").steps(1)
    assert world.condition("Ready") == ("False", "RestoreFailed")
    assert owner(world, "StatefulSet", SERVER) == RESTORES_OWNER


def test_a_restore_whose_volume_was_lost_is_not_used() -> None:
    world = restored()
    for kind, name in (("StatefulSet", SERVER), ("PersistentVolumeClaim", CLAIM)):
        delete(world, kind, name)
    world.settle()
    assert not world.has("StatefulSet", SERVER), "it would be empty"
    world.change(database=embedded("monday")).reach("Expand").steps(1)
    assert world.condition("Ready") == ("False", "RestoreMissing")


def with_external(secret: str, **more: str) -> dict[str, Any]:
    return {"external": {"secretName": secret, "key": "uri", **more}}


@pytest.mark.parametrize(
    ("after", "approved"),
    [
        (with_external("moved"), True),
        (with_external("renamed"), False),
        (with_external("books", directKey="direct"), False),
    ],
    ids=["another database", "the same in another Secret", "past a pooler"],
)
def test_another_external_database_is_approved_by_a_person(
    after: dict[str, Any], approved: bool
) -> None:
    """Not a Secret of another name with the same host, port and database."""
    world = World(spec={"image": "api:1", "database": with_external("books")})
    for name in ("books", "moved", "renamed"):
        world.secrets[name] = frozenset({"uri", "direct"})
    world.servers = {"renamed": "books"}
    world.settle().change(database=after).settle()
    waits = world.condition("Ready") == ("False", "WaitingForApproval")
    assert waits is approved
    if approved:
        assert "stays behind in it" in " ".join(world.message("Ready").split())
        approve(world).settle()
    assert world.condition("Ready")[0] == "True"
    assert world.release("demo-r2")["database"] == world.servers.get(
        after["external"]["secretName"], after["external"]["secretName"]
    )


# spec.bootstrap.restore ------------------------------------------------------------------------

SOURCE = {"target": {"claimName": "old-backups"}}


def bootstrapped(**source: Any) -> World:
    restore = {"restore": {**SOURCE, **source}}
    return World(spec={"image": "api:1", "bootstrap": restore})


def test_a_new_store_begins_with_a_backup_before_it_is_migrated() -> None:
    world = bootstrapped().run_until(lambda w: w.has("Job", "demo-bootstrap"))
    assert not world.migrations()
    assert owner(world, "Job", "demo-bootstrap") == STORES_OWNER
    world.settle()
    assert world.condition("Ready")[0] == "True"
    record = world.release("demo-r1")["bootstrap"]
    assert (record["phase"], record["backup"]) == ("Complete", RESTORED["name"])
    assert database_secret(world, "Job", "demo-bootstrap") == "demo-db"


def test_a_backup_is_restored_once_however_often_a_new_store_is_released() -> None:
    world = bootstrapped()
    world.answers["contract"] = "no contract"
    world.settle()
    world.answers.clear()
    world.change(image="api:2").settle()
    delete(world, "Job", "demo-bootstrap")
    world.change(image="api:3").settle()
    assert world.condition("Ready")[0] == "True"
    assert not [j for j in world.all("Job") if "bootstrap" in j["metadata"]["name"]]


def test_a_restore_that_runs_goes_on_when_the_spec_is_changed() -> None:
    world = bootstrapped()
    world.restored = None
    world.run_until(lambda w: w.has("Job", "demo-bootstrap")).steps(2)
    world.change(image="api:2").steps(6)
    world.restored = RESTORED
    world.settle()
    jobs = [j["metadata"]["name"] for j in world.all("Job") if "bootstrap" in j["metadata"]["name"]]
    assert jobs == ["demo-bootstrap"]
    assert world.release("demo-r2")["bootstrap"]["phase"] == "Complete"


def test_a_failed_bootstrap_fails_the_release_and_can_be_retried() -> None:
    world = bootstrapped()
    world.restored = failed("not-found", "There is no backup.")
    world.settle()
    assert world.condition("Ready") == ("False", "RestoreFailed")
    assert "kubectl bookstore retry demo" in world.message("Ready")
    assert not world.migrations()
    world.restored = RESTORED
    obj = world.get("BookStoreRelease", "demo-r1")
    world._put({**obj, "spec": {**obj["spec"], "retry": True}})
    world.settle()
    assert world.condition("Ready")[0] == "True"
    assert world.has("Job", "demo-bootstrap-2")


def test_a_volume_that_is_lost_before_it_has_served_is_filled_again() -> None:
    world = bootstrapped()
    world.migration = None
    world.run_until(lambda w: bool(w.migrations()))
    key = ObjectRef("v1", "PersistentVolumeClaim", "data-demo-db-0")
    del world.objects[key]
    world.migration = {"command": "migrate", "code": "migrated", "message": "Done."}
    world.settle()
    restores = [j for j in world.all("Job") if "bootstrap" in j["metadata"]["name"]]
    assert len(restores) == 2
    assert world.condition("Ready")[0] == "True"
