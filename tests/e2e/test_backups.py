"""The database is lost and comes back, on a real cluster, with backups in a real S3 server."""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from demo.kubectl import Kubectl
from demo.traffic import wait_until_answering
from kubectl_bookstore.errors import ExitCode
from tests.cluster.plugin import run
from tests.e2e import s3
from tests.e2e.conftest import Installed
from tests.e2e.test_bookstore import STORE, bookstore, release, staff
from tests.support.kube import condition, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

CLAIM = f"data-{STORE}-db-0"


@dataclass
class Writer:
    """Creates books again and again, and remembers which of them were acknowledged."""

    books: str
    headers: dict[str, str]
    acknowledged: list[str] = field(default_factory=list)
    """The ids, in the order in which they were acknowledged."""

    def run(self, stop: threading.Event) -> None:
        """Write until `stop` is set."""
        with httpx.Client(timeout=10, headers=self.headers) as client:
            for number in itertools.count():
                if stop.wait(0.02):
                    return
                book = {
                    "title": f"Book {number}",
                    "authors": ["Anon"],
                    "isbn": isbn(number),
                    "price": {"amount": "1.00", "currency": "USD"},
                }
                try:
                    answer = client.post(self.books, json=book)
                except httpx.HTTPError:
                    continue
                if answer.status_code == 201:
                    self.acknowledged.append(answer.json()["id"])


def isbn(number: int) -> str:
    """Return a valid ISBN-13 of its own for a number."""
    digits = f"978{number:09}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"


@contextmanager
def writing(url: str, headers: dict[str, str]) -> Iterator[Writer]:
    """Write books during the block."""
    writer, stop = Writer(f"{url}/api/v1/books", headers), threading.Event()
    thread = threading.Thread(target=writer.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield writer
    finally:
        stop.set()
        thread.join()


def missing(url: str, ids: list[str]) -> list[str]:
    """Return those of the books that are not there."""
    with httpx.Client(base_url=f"{url}/api/v1/books/", timeout=10) as client:
        return [id_ for id_ in ids if client.get(id_).status_code != 200]


def destroy_volume(kubectl: Kubectl) -> None:
    """Delete the database's volume; the operator and Kubernetes make an empty one."""
    claim = kubectl.find("pvc", CLAIM)
    assert claim is not None
    kubectl("delete", "pvc", CLAIM, "--wait=false")
    kubectl("delete", "pod", f"{STORE}-db-0", "--grace-period=0", "--force")

    def is_another() -> bool:
        found = kubectl.find("pvc", CLAIM)
        return found is not None and found["metadata"]["uid"] != claim["metadata"]["uid"]

    wait_for(is_another, 120, "an empty volume")


def drill_it(kubectl: Kubectl) -> None:
    """Drill the restore: in a Pod of its own, of which nothing is left but what it measured."""
    drilled = run(kubectl, "drill", STORE, "--wait", "--timeout=120", "-o=json")
    assert drilled.code == ExitCode.DONE, drilled
    last = drilled.data["lastDrill"]
    assert last["result"] == "Succeeded"
    assert "The code that serves works on it." in last["message"]
    assert last["recoveryTimeSeconds"] > 0
    ready = condition(kubectl.find("bookstore", STORE), "BackupHealthy")
    assert (ready["status"], "A drill restored" in ready["message"]) == ("True", True), ready
    print(f"drilled in {last['recoveryTimeSeconds']} s")


@pytest.mark.invariant
def test_a_lost_volume_comes_back_from_s3_with_every_write_before_the_backup(
    installed: Installed, kubectl: Kubectl, url: str
) -> None:
    store = s3.start(kubectl, s3.build_and_load(installed.cluster))
    drill = {"schedule": "0 5 1 1 *"}
    backup = {"schedule": "0 3 1 1 *", "target": store.target, "drill": drill}
    spec = bookstore(installed.first_image, deletionPolicy="Delete", backup=backup)
    release(kubectl, spec)
    wait_until_answering(f"{url}/api/v1/books")
    with writing(url, staff(kubectl)) as writer:
        wait_for(lambda: len(writer.acknowledged) >= 20, 60, "some books")
        before = list(writer.acknowledged)
        taken = run(kubectl, "backup", STORE, "--wait", "--timeout=180")
        assert taken.code == ExitCode.DONE, taken
    wait_for(
        lambda: (
            condition(kubectl.find("bookstore", STORE), "BackupHealthy").get("status") == "True"
        ),
        120,
        "the backup to be verified",
    )

    drill_it(kubectl)
    begun = time.monotonic()
    destroy_volume(kubectl)
    restored = run(kubectl, "restore", STORE, "--restore-name=found", "--wait", "--timeout=180")
    assert restored.code == ExitCode.DONE, restored
    spec["spec"]["database"]["embedded"]["restoredFrom"] = "found"
    kubectl.apply(spec)
    asked = run(kubectl, "status", STORE, "--wait", "--timeout=300", "-o=json")
    assert (asked.code, asked.data["reason"]) == (ExitCode.PERSON, "WaitingForApproval"), asked
    approved = run(kubectl, "approve", STORE, "--wait", "--timeout=300")
    assert approved.code == ExitCode.DONE, approved
    wait_until_answering(f"{url}/api/v1/books")
    took = time.monotonic() - begun
    assert missing(url, before) == []
    print(f"back after {took:.0f} s; {len(before)} books written before the backup are all there")
