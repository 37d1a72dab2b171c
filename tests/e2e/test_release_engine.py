"""Bad images on a real cluster: users stay where they are, or are brought back; people decide."""

import time
from typing import Any

import pytest

from demo.kubectl import Kubectl
from demo.traffic import traffic, wait_until_answering
from kubectl_bookstore.errors import ExitCode
from tests.cluster.plugin import run
from tests.e2e.conftest import Installed
from tests.e2e.test_bookstore import STORE, bookstore, release, serving_images
from tests.support import faulty_images
from tests.support.kube import condition, holds, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

ROLLOUT: dict[str, Any] = {
    "scaleDownDelaySeconds": 5,
    "watch": {"seconds": 5},
    "rollbackWindowSeconds": 120,
}
SWITCHED_BACK_SECONDS = 15
"""10 s from when a breach can be read, and 5 s between two readings."""
ONE_SWITCH_SECONDS = 10
"""A warm rollback takes less than 5 s on a machine that does nothing else."""


def record(kubectl: Kubectl, name: str) -> dict[str, Any]:
    """Return the status of a BookStoreRelease."""
    return (kubectl.find("bookstorerelease", name) or {}).get("status") or {}


def wait_for_result(kubectl: Kubectl, name: str, result: str) -> dict[str, Any]:
    """Wait until a release has ended in this way; return its status."""
    wait_for(lambda: record(kubectl, name).get("result") == result, 180, f"{name} to be {result}")
    return record(kubectl, name)


def test_a_bug_that_only_users_meet_sends_them_back(
    installed: Installed, kubectl: Kubectl, url: str
) -> None:
    """The image passes its smoke test; lists of 13 books fail."""
    bad = faulty_images.with_bug(installed.cluster, installed.first_image)
    rollout = {**ROLLOUT, "watch": {"seconds": 120}}
    release(kubectl, bookstore(installed.first_image, rollout=ROLLOUT))
    wait_until_answering(f"{url}/api/v1/books")

    with traffic(f"{url}/api/v1/books?limit=13") as requests:
        kubectl.apply(bookstore(bad, rollout=rollout))
        wait_for(lambda: requests.answers["500"], 240, "users to meet the bug")
        met = time.monotonic()
        left = wait_for_result(kubectl, "demo-r2", "RolledBack")
        wait_for(lambda: serving_images(kubectl) == {installed.first_image}, 30, "the switch back")
        took = time.monotonic() - met
        failed = requests.failed
        wait_for(lambda: requests.failed == failed, 30, "users to be served")
    print(f"switched back {took:.1f} s after the first failure; {requests.answers}")
    assert took < SWITCHED_BACK_SECONDS
    assert "spec.rollout.watch.maxErrorPercent" in left["message"]
    ready = condition(kubectl.find("bookstore", STORE), "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "RolledBack")
    assert left["message"] in ready["message"]

    kubectl.apply(bookstore(installed.first_image, rollout=rollout))
    wait_for(lambda: holds(kubectl.find("bookstore", STORE), "Ready"), 60, "Ready")
    assert not kubectl.find("bookstorerelease", "demo-r3"), "nothing has to be released"


def test_migrations_that_fail_or_break_the_old_code_reach_no_user(
    installed: Installed, kubectl: Kubectl, url: str
) -> None:
    cluster, good = installed.cluster, installed.first_image
    fails = faulty_images.with_migration(cluster, good, faulty_images.FAILS)
    breaks = faulty_images.with_migration(cluster, good, faulty_images.BREAKS_OLD_CODE)
    spec: dict[str, Any] = {"rollout": ROLLOUT, "migration": {"attempts": 1}}
    release(kubectl, bookstore(good, **spec))
    wait_until_answering(f"{url}/api/v1/books")

    with traffic(f"{url}/api/v1/books") as requests:
        kubectl.apply(bookstore(fails, **spec))
        failed = wait_for_result(kubectl, "demo-r2", "Failed")
        assert failed["reason"] == "MigrationFailed"
        assert "division by zero" in failed["message"]
    assert serving_images(kubectl) == {good}
    assert requests.sent > 0
    assert requests.failed == 0, requests.answers

    kubectl.apply(bookstore(breaks, **spec))
    refused = wait_for_result(kubectl, "demo-r3", "Failed")
    assert refused["reason"] == "SchemaIncompatible"
    green = f"bookstore.dev/store={STORE},bookstore.dev/color=green"
    assert not kubectl.list("pod", f"{green},app.kubernetes.io/component=api")
    assert serving_images(kubectl) == {good}


def test_people_approve_roll_back_and_contract(
    installed: Installed, kubectl: Kubectl, url: str
) -> None:
    first, second = installed.first_image, installed.second_image
    backup = {"schedule": "0 3 1 1 *", "keep": 2}
    spec: dict[str, Any] = {"backup": backup, "migration": {"contract": "Manual"}}
    by_hand = {**spec, "rollout": {**ROLLOUT, "promotion": "Manual"}}
    release(kubectl, bookstore(first, **by_hand))
    wait_until_answering(f"{url}/api/v1/books")

    with traffic(f"{url}/api/v1/books") as requests:
        kubectl.apply(bookstore(second, **by_hand))
        waits = run(kubectl, "status", STORE, "--wait", "--timeout=240", "-o=json")
        assert (waits.code, waits.data["reason"]) == (ExitCode.PERSON, "WaitingForApproval")
        assert serving_images(kubectl) == {first}
        approved = run(kubectl, "approve", STORE, "--wait", "--timeout=120")
        assert approved.code == ExitCode.DONE, approved
        assert serving_images(kubectl) == {second}

        begun = time.monotonic()
        warm = run(kubectl, "rollback", STORE)
        assert warm.code == ExitCode.DONE, warm
        wait_for(lambda: serving_images(kubectl) == {first}, 30, "the switch back")
        took = time.monotonic() - begun
        assert took < ONE_SWITCH_SECONDS

        # Later the old color is not kept any more: a new release of the older intent.
        automatic = {**spec, "rollout": {**ROLLOUT, "rollbackWindowSeconds": 0}}
        kubectl.apply(bookstore(second, **automatic))
        retried = run(kubectl, "retry", STORE, "--wait", "--timeout=240")
        assert retried.code == ExitCode.DONE, retried
        wait_for_result(kubectl, "demo-r2-a2", "Succeeded")
        cold = run(kubectl, "rollback", STORE, "--to=1", "--wait", "--timeout=240")
        assert cold.code == ExitCode.DONE, cold
        wait_for(lambda: serving_images(kubectl) == {first}, 30, "the older image")
    print(f"a warm rollback took {took:.1f} s; {requests.sent} requests")
    assert requests.failed == 0, requests.answers

    kubectl.apply(bookstore(first, **automatic))
    wait_for(lambda: holds(kubectl.find("bookstore", STORE), "Ready"), 120, "Ready")
    serving = kubectl.find("bookstore", STORE) or {}
    active = serving["status"]["active"]["release"]
    wait_for_result(kubectl, active, "Succeeded")
    kubectl("create", "job", "backup-now", f"--from=cronjob/{STORE}-backup")
    kubectl("wait", "--for=condition=Complete", "job/backup-now", "--timeout=110s")

    def contract() -> tuple[str, str]:
        state = record(kubectl, active).get("contract") or {}
        return state.get("state", ""), state.get("message", "")

    wait_for(lambda: "approve demo --contract" in contract()[1], 90, "the question")
    assert run(kubectl, "approve", STORE, "--contract").code == ExitCode.DONE
    wait_for(lambda: contract()[0] == "Done", 90, "the contract")
    assert "0001_contract" in record(kubectl, active)["schema"]
