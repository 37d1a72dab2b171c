"""Restores on a real control plane: its validation, garbage collection and retention policies."""

from typing import Any

import pytest

from demo.kubectl import KubectlError
from kubectl_bookstore.errors import ExitCode
from tests.cluster.conftest import REPORT_SECONDS, Shop, restore
from tests.cluster.plugin import run
from tests.support.kube import wait_for

pytestmark = pytest.mark.cluster

SERVER, CLAIM = "monday-db-restored", "data-monday-db-restored-0"
PARTS = (
    ("apps/v1/statefulsets", SERVER),
    ("v1/services", SERVER),
    ("v1/secrets", SERVER),
    ("v1/persistentvolumeclaims", CLAIM),
    ("batch/v1/jobs", "monday-restore"),
)


def restored(shop: Shop) -> dict[str, Any]:
    """Restore beside a BookStore that serves; returns the status."""
    shop.provide_backups()
    shop.kubectl.apply(restore("monday"))

    def is_complete() -> dict[str, Any] | None:
        status: dict[str, Any] = shop.require("bookstorerestores", "monday").get("status") or {}
        return status if status.get("phase") == "Complete" else None

    return wait_for(is_complete, REPORT_SECONDS, "the restore")


def owner(shop: Shop, plural: str, name: str) -> str:
    owners = shop.require(plural, name)["metadata"].get("ownerReferences") or [{"kind": ""}]
    return str(owners[0]["kind"])


def test_an_unused_restore_is_deleted_with_all_that_it_has_made(operated: Shop) -> None:
    operated.apply()
    operated.ready()
    assert restored(operated)["secretName"] == SERVER
    operated.kubectl("delete", "bookstorerestore", "monday", "--wait=false")
    gone = lambda: not any(operated.get(*part) for part in PARTS)  # noqa: E731
    wait_for(gone, REPORT_SECONDS, "all to be collected")
    operated.ready()


def test_a_restored_database_is_used_and_outlives_its_restore(operated: Shop) -> None:
    operated.apply(deletionPolicy="Retain")
    operated.ready()
    restored(operated)
    uid = operated.require("v1/persistentvolumeclaims", CLAIM)["metadata"]["uid"]
    database = {"embedded": {"restoredFrom": "monday"}}
    operated.apply(deletionPolicy="Retain", database=database)
    operated.reports("Ready", "WaitingForApproval", "stays behind", "2025-12-31 03:17:00 UTC")
    assert owner(operated, "apps/v1/statefulsets", SERVER) == "BookStore"
    assert owner(operated, "v1/secrets", SERVER) == ""
    operated.kubectl("delete", "bookstorerestore", "monday")
    approved = run(operated, "approve", "demo")
    assert (approved.code, "Approved demo-r2" in approved.out) == (ExitCode.DONE, True), approved
    operated.ready()
    wait_for(
        lambda: operated.require("apps/v1/statefulsets", "demo-db")["spec"]["replicas"] == 0,
        REPORT_SECONDS,
        "the former server to be stopped",
    )
    assert operated.require("v1/persistentvolumeclaims", CLAIM)["metadata"]["uid"] == uid
    assert operated.get("v1/persistentvolumeclaims", "data-demo-db-0")
    assert operated.require("bookstorereleases", "demo-r2")["status"]["database"] == uid


def test_a_new_store_begins_with_a_backup(operated: Shop) -> None:
    operated.provide_backups()
    source = {"target": {"claimName": "former-backup"}, "store": "other.shop"}
    operated.apply(bootstrap={"restore": source})
    operated.ready()
    record = operated.require("bookstorereleases", "demo-r1")["status"]["bootstrap"]
    assert (record["phase"], record["attempts"]) == ("Complete", 1)
    migration = operated.require("batch/v1/jobs", "demo-r1-expand")["metadata"]
    (pod,) = operated.list("v1/pods", "batch.kubernetes.io/job-name=demo-bootstrap")
    (container,) = pod["status"]["containerStatuses"]
    done = container["state"]["terminated"]["finishedAt"]
    assert done <= migration["creationTimestamp"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attempts": 5}, "can't be changed"),
        ({"into": {"embedded": {}, "external": {"secretName": "x"}}}, "exactly one of"),
    ],
)
def test_what_a_restore_is_can_not_be_changed(
    shop: Shop, change: dict[str, Any], message: str
) -> None:
    given = restore("monday")
    shop.kubectl.apply(given)
    with pytest.raises(KubectlError, match=message):
        shop.kubectl.apply({**given, "spec": {**given["spec"], **change}})
