"""A BookStoreBackup that a person creates gets a Job."""

from typing import Any

import pytest

from bookstore_operator.core import names
from bookstore_operator.core.kinds import JOBS
from bookstore_operator.core.snapshot import Rejection
from tests.operator.backups.test_index import SPEC, result, shop, stored
from tests.support.backups import add_backup
from tests.support.world import STORE_KEY, World

pytestmark = pytest.mark.scenario


def ask(world: World, name: str = "mine", store: str = "demo") -> None:
    """Create a BookStoreBackup, as a person does."""
    world._put(
        {
            "apiVersion": STORE_KEY.api_version,
            "kind": "BookStoreBackup",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"storeName": store, "reason": "Manual"},
        }
    )


def status(world: World, name: str = "mine") -> dict[str, Any]:
    found: dict[str, Any] = world.get("BookStoreBackup", name).get("status", {})
    return found


def jobs_of(world: World, name: str = "mine") -> list[str]:
    uid = world.get("BookStoreBackup", name)["metadata"]["uid"]
    return [
        job["metadata"]["name"]
        for job in world.all("Job")
        if any(owner["uid"] == uid for owner in job["metadata"].get("ownerReferences", ()))
        and job["metadata"]["labels"]["app.kubernetes.io/component"] == "backup"
    ]


def test_a_request_gets_one_job_and_its_result() -> None:
    world = shop()
    world.backup = result(stored(1), {stored(1): "Complete"})
    ask(world)
    world.settle()
    assert len(jobs_of(world)) == 1
    assert status(world)["phase"] == "Verified"
    assert status(world)["job"] == jobs_of(world)[0]
    assert len(world.all("BookStoreBackup")) == 1, "no second record of the same Job"


@pytest.mark.parametrize("actions", range(5))
def test_an_operator_killed_anywhere_in_between_takes_one_backup(actions: int) -> None:
    world = shop()
    ask(world)
    world.reconcile(stop_after=actions)
    world.settle()
    assert len(jobs_of(world)) == 1
    assert status(world)["phase"] == "Verified"


def test_requests_are_served_one_after_the_other() -> None:
    world = shop()
    world.backup = None
    ask(world, "first")
    world.wait(1)
    ask(world, "second")
    world.steps(4)
    assert (len(jobs_of(world, "first")), len(jobs_of(world, "second"))) == (1, 0)
    assert status(world, "second")["phase"] == "Pending"
    assert jobs_of(world, "first")[0] in status(world, "second")["message"]
    world.backup = result(stored(1), {stored(1): "Complete"})
    world.settle()
    assert status(world, "second")["phase"] == "Verified"


def test_a_request_waits_for_a_backup_of_the_schedule() -> None:
    world = shop()
    job = add_backup(world, began=5, ended=False)
    ask(world)
    world.reconcile()
    assert jobs_of(world) == []
    assert job in status(world)["message"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"backup": {"schedule": "0 3 * * *", "suspend": True}}, "BackupSuspended"),
        ({"backup": None}, "NotConfigured"),
        ({"paused": True}, "Paused"),
    ],
)
def test_a_request_says_what_it_waits_for_and_goes_on_then(
    change: dict[str, Any], reason: str
) -> None:
    world = shop()
    world.change(**change)
    ask(world)
    world.settle()
    assert (status(world)["phase"], status(world)["reason"]) == ("Pending", reason)
    assert jobs_of(world) == []
    world.change(paused=None, backup=SPEC["backup"]).settle()
    assert status(world)["phase"] == "Verified"


def test_deleting_a_request_ends_its_job() -> None:
    """Kubernetes deletes the Job with its owner; the next backup removes what it has stored."""
    world = shop()
    world.backup = None
    ask(world)
    world.steps(3)
    (job,) = jobs_of(world)
    del world.objects[next(key for key in world.objects if key.name == "mine")]
    world.settle()
    assert not world.has("Job", job)
    assert world.all("BookStoreBackup") == []


def test_a_request_of_the_same_name_is_another_backup() -> None:
    world = shop()
    ask(world)
    world.settle()
    before = jobs_of(world)
    del world.objects[next(key for key in world.objects if key.name == "mine")]
    ask(world)
    world.settle()
    assert jobs_of(world) != before
    assert status(world)["phase"] == "Verified"


def test_a_request_whose_job_is_lost_has_failed() -> None:
    world = shop()
    world.backup = None
    ask(world)
    world.steps(4)
    del world.objects[next(key for key in world.objects if key.name == jobs_of(world)[0])]
    world.settle()
    assert status(world)["phase"] == "Failed"
    assert jobs_of(world) == [], "a backup is not taken again without being asked for"


@pytest.mark.parametrize("name", ["demo-r2-expand", "x" * 200, "a.b.c", f"{'y' * 62}.z"])
def test_any_name_is_the_begin_of_a_jobs_name(name: str) -> None:
    world = shop()
    ask(world, name)
    world.settle()
    (job,) = jobs_of(world, name)
    assert len(job) <= 63
    assert "." not in job
    assert job != name


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ('jobs.batch "x" is forbidden: exceeded quota: few, limited: count/jobs.batch=0', "Quota"),
        ('admission webhook "no.jobs" denied the request: not on Sundays', "ApplyRejected"),
        (
            'Internal error occurred: failed calling webhook "a.b": connection refused',
            "WebhookFailed",
        ),
    ],
)
def test_a_job_that_is_rejected_is_shown_with_the_cause(message: str, reason: str) -> None:
    world = shop()
    ask(world)
    world.reconcile(stop_after=1)
    key = JOBS.ref(
        names.backup_job("mine", world.get("BookStoreBackup", "mine")["metadata"]["uid"])
    )
    world.rejection = Rejection(key, "Forbidden", message)
    world.reconcile(stop_after=2)
    assert status(world)["phase"] == "Pending"
    assert status(world)["reason"].startswith(reason)
    assert message in status(world)["message"]
    world.rejection = None
    world.settle()
    assert status(world)["phase"] == "Verified"


def test_a_verification_that_is_rejected_is_shown_too() -> None:
    world = shop()
    ask(world)
    world.run_until(lambda _: status(world).get("phase") == "Complete")
    uid = world.get("BookStoreBackup", "mine")["metadata"]["uid"]
    key = JOBS.ref(names.verify_job("mine", uid, 1))
    world.objects.pop(key, None)
    world.rejection = Rejection(key, "Forbidden", "exceeded quota: few")
    world.reconcile(stop_after=2)
    assert "exceeded quota: few" in status(world)["verification"]["message"]


def test_the_job_of_a_request_goes_after_a_day_and_its_record_stays() -> None:
    world = shop()
    ask(world)
    world.settle()
    (job,) = jobs_of(world)
    assert world.get("Job", job)["spec"]["ttlSecondsAfterFinished"] == 86400
    world.lose("Job").settle()
    assert status(world)["phase"] == "Verified"
    assert not jobs_of(world)
