"""BookStoreBackups on a real API server: records, requests, verification, the final backup."""

from typing import Any

import pytest

from kubectl_bookstore.errors import ExitCode
from tests.cluster.conftest import QUICK, Shop
from tests.cluster.plugin import run
from tests.support.kube import wait_for

pytestmark = pytest.mark.cluster

SECONDS = 60
BACKUP: dict[str, Any] = {"schedule": "0 3 1 1 *"}


def ask(shop: Shop, name: str, store: str = "demo") -> None:
    shop.kubectl.apply(
        {
            "apiVersion": "bookstore.dev/v1alpha1",
            "kind": "BookStoreBackup",
            "metadata": {"name": name},
            "spec": {"storeName": store},
        }
    )


def phase(shop: Shop, name: str) -> str | None:
    found: str | None = shop.require("bookstorebackups", name).get("status", {}).get("phase")
    return found


def test_a_request_is_taken_verified_and_the_last_before_the_bookstore_goes(operated: Shop) -> None:
    shop = operated
    shop.apply(rollout=QUICK, backup=BACKUP, deletionPolicy="FinalBackup")
    shop.ready()
    ask(shop, "mine")
    wait_for(lambda: phase(shop, "mine") == "Verified", SECONDS, "the backup to be verified")
    shop.reports("BackupHealthy", "BackedUp", "mine")
    shop.delete("demo")
    wait_for(lambda: shop.store() is None, SECONDS, "the BookStore to go")
    records = shop.list("bookstorebackups", "")
    final = [r for r in records if r["spec"]["reason"] == "BeforeDeletion"]
    assert [record["status"]["phase"] for record in final] == ["Verified"]

    def volumes() -> set[str]:
        claims = shop.list("v1/persistentvolumeclaims")
        return {claim["metadata"]["name"] for claim in claims}

    wait_for(lambda: volumes() == {"demo-backup"}, SECONDS, "the database's volume to go")


def test_a_drill_proves_the_newest_backup_and_is_reported(operated: Shop) -> None:
    shop = operated
    shop.apply(rollout=QUICK, backup=BACKUP)
    asked = run(shop, "drill", "demo")
    assert (asked.code, "no spec.backup.drill" in asked.error) == (ExitCode.REFUSED, True)
    shop.apply(rollout=QUICK, backup={**BACKUP, "drill": {"schedule": "0 5 1 1 *"}})
    shop.ready()
    ask(shop, "mine")
    wait_for(lambda: phase(shop, "mine") == "Verified", SECONDS, "the backup to be verified")
    wait_for(lambda: shop.get("batch/v1/cronjobs", "demo-drill"), SECONDS, "the CronJob")
    drilled = run(shop, "drill", "demo", "--wait", "--timeout=60", "-o=json")
    assert drilled.code == ExitCode.DONE, drilled
    last = drilled.data["lastDrill"]
    assert (last["result"], last["recoveryTimeSeconds"]) == ("Succeeded", 2.5)
    assert shop.require("bookstorebackups", "mine")["status"]["drilledAt"] == last["endedAt"]
    shop.reports("BackupHealthy", "BackedUp", "A drill restored")
    assert "Last drill: Succeeded" in run(shop, "backups", "demo").error
    server, _ = shop.require("batch/v1/jobs", drilled.data["job"])["spec"]["template"]["spec"][
        "initContainers"
    ]
    assert server["restartPolicy"] == "Always", "a sidecar, which the API server knows"
    shop.apply(rollout=QUICK, backup=BACKUP)
    wait_for(lambda: not shop.get("batch/v1/cronjobs", "demo-drill"), SECONDS, "it to go")


def test_a_job_gets_a_record_and_a_deleted_request_ends_its_job(operated: Shop) -> None:
    shop = operated
    ask(shop, "early")  # there is no BookStore of the name yet: it waits
    shop.apply(rollout=QUICK, backup={**BACKUP, "suspend": True})
    wait_for(lambda: phase(shop, "early") == "Pending", SECONDS, "the request to wait")
    shop.ready()
    shop.kubectl("create", "job", "demo-backup-1", "--from=cronjob/demo-backup")

    def record() -> dict[str, Any] | None:
        records = shop.list("bookstorebackups", "")
        found = (r for r in records if r["spec"].get("job") == "demo-backup-1")
        return next(found, None)

    wait_for(
        lambda: (record() or {}).get("status", {}).get("phase") == "Verified",
        SECONDS,
        "a record of the Job",
    )
    shop.kubectl("delete", "bookstorebackup", "early")
    shop.apply(rollout=QUICK, backup=BACKUP)
    shop.reports("BackupHealthy", "BackedUp")
