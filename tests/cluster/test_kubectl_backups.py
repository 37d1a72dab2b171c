"""The plugin's commands about backups, on a real API server; the test reports what happens."""

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from kubectl_bookstore.errors import ExitCode
from tests.cluster.conftest import Shop
from tests.cluster.plugin import Answer, run
from tests.support.kube import wait_for

pytestmark = pytest.mark.cluster

STORED: dict[str, Any] = {
    "backup": "20260101T030000Z-0a1b2c",
    "startedAt": "2026-01-01T03:00:00Z",
    "completedAt": "2026-01-01T03:00:09Z",
    "sizeBytes": 1_500_000,
}


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Yield what a command runs in while the test reports progress to it."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


def only(shop: Shop, plural: str) -> dict[str, Any]:
    """Return the one object of a kind, once it exists."""
    (found,) = wait_for(lambda: shop.list(plural, ""), 30, f"one of {plural}")
    return found


def report(shop: Shop, kind: str, name: str, **status: Any) -> None:
    """Write a status as the operator does."""
    patch = json.dumps({"status": status})
    shop.kubectl("patch", kind, name, "--subresource=status", "--type=merge", f"--patch={patch}")


def asked(shop: Shop, name: str) -> str:
    """Return the verification that was asked for last; empty for none."""
    annotations = shop.require("bookstorebackups", name)["metadata"].get("annotations") or {}
    return str(annotations.get("bookstore.dev/verify", ""))


def test_a_backup_is_taken_listed_and_verified(shop: Shop, pool: ThreadPoolExecutor) -> None:
    shop.apply()
    refused = run(shop, "backup", "demo")
    assert (refused.code, refused.out) == (ExitCode.REFUSED, "")
    assert "no spec.backup" in refused.error
    shop.apply(backup={"schedule": "0 3 * * *"})
    assert run(shop, "verify", "demo").code == ExitCode.NOTHING_TO_DO
    assert "no backup yet" in run(shop, "backups", "demo").error

    taking: Future[Answer] = pool.submit(run, shop, "backup", "demo", "--wait", "--timeout=60")
    name = only(shop, "bookstorebackups")["metadata"]["name"]
    report(shop, "bookstorebackup", name, phase="Running", message="Waiting for its Job.")
    report(shop, "bookstorebackup", name, phase="Complete", message="", **STORED)
    taken = taking.result(60)
    assert taken.code == ExitCode.DONE, taken
    assert "20260101T030000Z-0a1b2c, 1.43 MiB." in taken.out
    header, line = run(shop, "backups").out.splitlines()
    assert header.split()[:3] == ["NAME", "PHASE", "REASON"]
    assert line.split()[:3] == [name, "Complete", "Manual"]

    verifying = pool.submit(run, shop, "verify", "demo", "--wait", "--timeout=60")
    request = wait_for(lambda: asked(shop, name), 30, "the request")
    assert not verifying.done(), "a state from before the request is no answer to it"
    damage = "books.dump is not what its manifest says."
    report(
        shop,
        "bookstorebackup",
        name,
        phase="Damaged",
        reason="BackupDamaged",
        message=damage,
        handledVerification=request,
    )
    verified = verifying.result(60)
    assert (verified.code, damage in verified.out) == (ExitCode.FAILED, True), verified
    assert run(shop, "verify", "demo").code == ExitCode.NOTHING_TO_DO, "none is left to trust"
    assert run(shop, "verify", "demo", "--backup", "none").code == ExitCode.NOT_FOUND


def test_a_restore_is_followed_to_its_end_and_says_what_is_next(
    shop: Shop, pool: ThreadPoolExecutor
) -> None:
    shop.apply(backup={"schedule": "0 3 * * *"})
    both = ("--backup=x", "--before=2026-01-01T03:00:00Z")
    assert run(shop, "restore", "demo", *both).code == ExitCode.USAGE
    before = "--before=2026-01-01T03:00:00Z"
    restoring = pool.submit(run, shop, "restore", "demo", before, "--wait", "--timeout=60")
    restore = only(shop, "bookstorerestores")
    assert restore["spec"]["source"]["before"] == "2026-01-01T03:00:00Z"
    name = restore["metadata"]["name"]
    result = {"backup": STORED["backup"], "dataUntil": STORED["startedAt"]}
    took = {"recoveryTimeSeconds": 12.2}
    report(shop, "bookstorerestore", name, phase="Complete", **result, **took)
    restored = restoring.result(60)
    assert restored.code == ExitCode.DONE, restored
    assert "restored in 12 s; it holds what was written until 2026-01-01T03:00:00Z." in restored.out
    assert f'"restoredFrom":"{name}"' in restored.out
    again = run(shop, "restore", "demo", f"--restore-name={name}")
    assert again.code == ExitCode.ERROR
    assert "AlreadyExists" in again.error


def test_a_wait_that_is_too_short_says_that_it_goes_on(shop: Shop) -> None:
    shop.apply(backup={"schedule": "0 3 * * *"})
    late = run(shop, "backup", "demo", "--wait", "--timeout=1")
    assert late.code == ExitCode.TIMED_OUT
    assert "It goes on in the cluster." in late.error
