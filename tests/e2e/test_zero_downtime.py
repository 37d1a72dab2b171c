"""Releases under traffic of every kind: nobody notices them, and nobody is woken up."""

from typing import Any

import httpx
import pytest

from demo.kubectl import Kubectl
from demo.traffic import wait_until_answering
from tests.e2e.conftest import Installed
from tests.e2e.test_bookstore import (
    BOOK,
    OTHER_BOOK,
    STORE,
    bookstore,
    release,
    serving_images,
    staff,
)
from tests.support.clients import clients
from tests.support.kube import holds, wait_for
from tests.support.quiet import events_of, reports

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

UNLIMITED: dict[str, Any] = {
    "config": {
        "rateLimits": {"reads": "off", "writes": "off"},
        "connectionMaxAgeSeconds": 10,  # Drain waits for the kept ones
    },
    "rollout": {
        "scaleDownDelaySeconds": 5,
        "watch": {"seconds": 5},
        "rollbackWindowSeconds": 5,
    },
}


def create(books: str, headers: dict[str, str], book: dict[str, Any]) -> str:
    """Create a book; return its id."""
    written = httpx.post(books, json=book, headers=headers, timeout=10)
    assert written.status_code == 201, written.text
    return str(written.json()["id"])


def result(kubectl: Kubectl, revision: int) -> str:
    manifest = kubectl.find("bookstorerelease", f"{STORE}-r{revision}") or {}
    return str((manifest.get("status") or {}).get("result", ""))


def wait_until_over(kubectl: Kubectl, revision: int) -> None:
    """Wait until a release has passed its last stage."""
    wait_for(lambda: result(kubectl, revision) == "Succeeded", 180, f"release {revision} to end")


def released(
    installed: Installed, kubectl: Kubectl, url: str, number: int
) -> tuple[dict[str, int], dict[str, Any]]:
    """Release so many times under traffic, each quiet; return requests sent, and failed ones."""
    books = f"{url}/api/v1/books"
    images = [installed.first_image, installed.second_image]
    written, headers = serving(kubectl, books, bookstore(images[0], **UNLIMITED))
    with clients(books, written, headers) as sending:
        for revision in range(2, number + 2):
            image = images[(revision - 1) % 2]
            with reports(kubectl, STORE) as seen:
                release(kubectl, bookstore(image, **UNLIMITED))
                wait_until_over(kubectl, revision)
                seen.assert_quiet()
            assert serving_images(kubectl) == {image}
    return sending.sent, sending.failures


def serving(
    kubectl: Kubectl, books: str, store: dict[str, Any]
) -> tuple[tuple[str, str], dict[str, str]]:
    """Release a first time; return the ids of two books, and the headers to write them with."""
    release(kubectl, store)
    wait_until_answering(books)
    warnings = [e["note"] for e in events_of(kubectl, STORE) if e["type"] == "Warning"]
    assert warnings == [], "a first install that goes well is quiet, too"
    wait_for(
        lambda: holds(kubectl.find("bookstore", STORE), "CacheHealthy"), 60, "the cache to be ready"
    )
    wait_until_over(kubectl, revision=1)
    headers = staff(kubectl)
    return (create(books, headers, BOOK), create(books, headers, OTHER_BOOK)), headers


@pytest.mark.invariant
def test_no_request_fails_and_nothing_warns_over_three_switches(
    installed: Installed, kubectl: Kubectl, url: str
) -> None:
    sent, failures = released(installed, kubectl, url, 3)
    print(f"3 switches: {sent}")
    assert failures == {}
    assert min(sent.values()) > 50, "all of them have sent requests all the time"
