"""Backups before migrations, migrations that never ran, contracts: on a real control plane."""

import json
import re
import time
from typing import Any

import pytest

from kubectl_bookstore.errors import ExitCode
from tests.cluster.conftest import Shop, image, pass_time
from tests.cluster.plugin import run
from tests.support.kube import wait_for
from tests.support.world import TO_CONTRACT

pytestmark = pytest.mark.cluster

MADE = r"Backup \d{8}T\d{6}Z-[0-9a-f]{6} \(Job demo-r3-backup\) was made for this release\."

BACKUP = {"schedule": "0 3 1 1 *", "keep": 2}
TO_BE_CONTRACTED = {
    "annotations": {"devcluster.dev/termination-message.contract": json.dumps(TO_CONTRACT)}
}


def status(shop: Shop, release: str) -> dict[str, Any]:
    return (shop.get("bookstorereleases", release) or {}).get("status") or {}


def has_job(shop: Shop, name: str) -> bool:
    return shop.get("batch/v1/jobs", name) is not None


def succeeded(shop: Shop, release: str) -> None:
    wait_for(
        lambda: status(shop, release).get("result") == "Succeeded", 60, f"{release} to succeed"
    )


def back_up(shop: Shop, name: str) -> None:
    """Make a backup by hand, as the messages say, in a later second than the switch.

    Kubernetes' times have whole seconds, so one of the same second may have begun before it.
    """
    pass_time(shop, 1)
    shop.kubectl("create", "job", name, "--from=cronjob/demo-backup")
    shop.kubectl("wait", "--for=condition=Complete", f"job/{name}", "--timeout=30s")


def contract(shop: Shop, release: str) -> tuple[str, str]:
    record = status(shop, release).get("contract") or {}
    return record.get("state", ""), record.get("message", "")


def test_a_typo_in_the_image_blocks_nothing_once_it_is_corrected(operated: Shop) -> None:
    operated.apply(replicas=1)
    operated.ready()
    operated.apply(replicas=1, image=image("2-job-unpullable"))
    operated.reports("Ready", "ImagePullFailed", image("2-job-unpullable"))
    begun = time.monotonic()
    operated.apply(replicas=1, image=image("3"))
    wait_for(lambda: status(operated, "demo-r3").get("stage"), 10, "the next release to begin")
    assert time.monotonic() - begun < 10
    operated.ready(image=image("3"))
    assert status(operated, "demo-r2")["result"] == "Superseded"


def test_a_migration_that_never_ran_is_deleted_when_the_spec_is_reverted(operated: Shop) -> None:
    operated.apply(replicas=1, backup=BACKUP)
    operated.ready()
    suspended = {**BACKUP, "suspend": True}
    operated.apply(replicas=1, backup=suspended, image=image("2"))
    operated.reports("Ready", "BackupSuspended")
    too_large = {"resources": {"requests": {"memory": "900Ti"}}}
    operated.apply(replicas=1, backup=BACKUP, image=image("2"), migration=too_large)
    wait_for(lambda: has_job(operated, "demo-r2-expand"), 30, "the migration")
    assert status(operated, "demo-r2")["backup"]["succeeded"]
    pods = "batch.kubernetes.io/job-name=demo-r2-expand"
    wait_for(lambda: operated.list("v1/pods", pods), 10, "its Pod")
    begun = time.monotonic()
    operated.apply(replicas=1, backup=BACKUP)
    wait_for(lambda: not has_job(operated, "demo-r2-expand"), 15, "the Job to be deleted")
    wait_for(lambda: status(operated, "demo-r2").get("result") == "Superseded", 10, "its end")
    assert time.monotonic() - begun < 20
    operated.ready(image=image("1"))
    wait_for(lambda: not operated.list("v1/pods", pods), 20, "its Pod to be deleted")


def test_a_fresh_backup_is_used_and_always_means_another(operated: Shop) -> None:
    operated.apply(replicas=1, backup=BACKUP)
    operated.ready()
    back_up(operated, "by-hand")
    operated.apply(replicas=1, backup=BACKUP, image=image("2"))
    operated.ready(image=image("2"))
    assert not has_job(operated, "demo-r2-backup")
    assert "by-hand" in status(operated, "demo-r2")["backup"]["message"]

    always = {**BACKUP, "beforeMigration": "always"}
    operated.apply(replicas=1, backup=always, image=image("3"))
    operated.ready(image=image("3"))
    run = status(operated, "demo-r3")["backup"]
    assert run["succeeded"]
    assert re.fullmatch(MADE, run["message"])
    assert run["endedAt"] <= status(operated, "demo-r3")["lastAttempt"]["startedAt"]
    warnings = operated.kubectl("get", "events", "--field-selector=type=Warning", "-o", "yaml")
    assert "demo-r3-backup" not in warnings, "the CronJob's controller takes the Job for its own"


def test_a_failed_backup_fails_the_release_before_anything_is_migrated(operated: Shop) -> None:
    operated.apply(replicas=1, backup={**BACKUP, "beforeMigration": "always"})
    operated.ready()
    operated.apply(
        replicas=1,
        image=image("2"),
        backup={**BACKUP, "beforeMigration": "always", "timeoutSeconds": 60, "suspend": True},
        rollout={"progressDeadlineSeconds": 3},
    )
    wait_for(lambda: status(operated, "demo-r2").get("result") == "Failed", 40, "its end")
    operated.reports("Ready", "ProgressDeadlineExceeded", "spec.backup.suspend")
    assert not has_job(operated, "demo-r2-expand")
    assert operated.serving() == image("1")


def test_the_contract_follows_a_backup_after_the_window(operated: Shop) -> None:
    spec: dict[str, Any] = {"replicas": 1, "backup": BACKUP, "podMetadata": TO_BE_CONTRACTED}
    operated.apply(**spec)
    operated.ready()
    operated.apply(**spec, image=image("2"))
    operated.ready(image=image("2"))
    succeeded(operated, "demo-r2")
    wait_for(lambda: contract(operated, "demo-r2")[0] == "Pending", 20, "a pending contract")
    assert "backup that begins after the switch" in contract(operated, "demo-r2")[1]
    assert not has_job(operated, "demo-r2-contract")
    back_up(operated, "by-hand")
    wait_for(lambda: contract(operated, "demo-r2")[0] == "Done", 30, "the contract")
    assert status(operated, "demo-r2")["schema"] == ["0001_books", "0001_contract"]
    job = operated.require("batch/v1/jobs", "demo-r2-contract")
    assert job["spec"]["template"]["spec"]["containers"][0]["args"][-1] == "contract"
    operated.ready(image=image("2"))


def test_without_backups_the_contract_stays_pending_and_blocks_nothing(operated: Shop) -> None:
    spec: dict[str, Any] = {"replicas": 1, "podMetadata": TO_BE_CONTRACTED}
    operated.apply(**spec)
    operated.ready()
    succeeded(operated, "demo-r1")
    wait_for(lambda: contract(operated, "demo-r1")[0] == "Pending", 20, "a pending contract")
    assert "set spec.backup" in contract(operated, "demo-r1")[1]
    operated.apply(**spec, image=image("2"))
    operated.ready(image=image("2"))
    assert not has_job(operated, "demo-r1-contract")


def test_a_manual_contract_waits_for_its_approval(operated: Shop) -> None:
    manual = {"contract": "Manual"}
    operated.apply(replicas=1, backup=BACKUP, podMetadata=TO_BE_CONTRACTED, migration=manual)
    operated.ready()
    succeeded(operated, "demo-r1")
    back_up(operated, "by-hand")
    wait_for(lambda: "contractApproved" in contract(operated, "demo-r1")[1], 30, "the question")
    assert run(operated, "approve", "demo").code == ExitCode.NOTHING_TO_DO
    approved = run(operated, "approve", "demo", "--contract")
    assert approved.code == ExitCode.DONE, approved
    wait_for(lambda: contract(operated, "demo-r1")[0] == "Done", 30, "the contract")
    assert run(operated, "approve", "demo", "--contract").code == ExitCode.NOTHING_TO_DO


def test_the_claim_of_the_backups_is_written_once(operated: Shop) -> None:
    operated.apply(replicas=1, backup=BACKUP)
    operated.ready()
    claim = operated.require("v1/persistentvolumeclaims", "demo-backup")
    mine = [
        entry
        for entry in json.loads(
            operated.kubectl("get", "pvc", "demo-backup", "-o", "json", "--show-managed-fields")
        )["metadata"]["managedFields"]
        if entry["manager"] == "bookstore-operator"
    ]
    assert [entry["time"] for entry in mine] == [claim["metadata"]["creationTimestamp"]]
    text = operated.log.read_text()
    assert text.count("PersistentVolumeClaim/demo-backup") == 1
