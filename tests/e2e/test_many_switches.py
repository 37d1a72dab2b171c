"""Many switches under traffic, and switches in which Pods end: nobody notices any of them."""

from collections.abc import Callable
from typing import Any

import pytest

from demo.kubectl import Kubectl
from tests.e2e.conftest import Installed
from tests.e2e.test_bookstore import STORE, bookstore, release
from tests.e2e.test_zero_downtime import UNLIMITED, released, serving
from tests.support.clients import Clients, clients
from tests.support.kube import holds, wait_for

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.invariant,
    pytest.mark.nightly,
    pytest.mark.timeout(2300),
]

STORES = 4
"""BookStores at the same time, each with its own clients."""
FULL_RELEASES = 20 // STORES
SWITCHES = 200 // STORES
SECONDS_EACH = 120
API = f"bookstore.dev/store={STORE},app.kubernetes.io/component=api"


@pytest.mark.parametrize("store", range(STORES))
def test_no_request_fails_and_nothing_warns_over_twenty_releases(
    installed: Installed, kubectl: Kubectl, url: str, store: int
) -> None:
    del store  # each is the same
    sent, failures = released(installed, kubectl, url, FULL_RELEASES)
    print(f"{FULL_RELEASES} full releases: {sum(sent.values()):,} requests, {sent}")
    assert failures == {}


@pytest.mark.parametrize("store", range(STORES))
def test_no_request_fails_over_two_hundred_switches(
    installed: Installed, kubectl: Kubectl, url: str, store: int
) -> None:
    """Each second one is a release of other settings, the next goes back to the warm color."""
    del store  # each is the same
    stores = [warm(installed.first_image, age) for age in (1, 2)]
    books = f"{url}/api/v1/books"
    written, headers = serving(kubectl, books, stores[0])
    with clients(books, written, headers) as sending:
        for number in range(1, SWITCHES + 1):
            switch(kubectl, stores[number % 2])
            assert sending.failures == {}, f"after switch {number}"
    print(f"{SWITCHES} switches: {sum(sending.sent.values()):,} requests, {sending.sent}")
    assert sending.failures == {}


def test_no_request_fails_when_a_pod_of_the_new_color_is_deleted_in_a_switch(
    installed: Installed, kubectl: Kubectl, url: str
) -> None:
    def delete(pod: str) -> None:
        kubectl("delete", "pod", pod, "--wait=false")

    sending = switched_while_a_pod_ends(installed, kubectl, url, delete)
    assert sending.failures == {}


def test_only_what_a_killed_process_had_begun_fails_in_a_switch(
    installed: Installed, kubectl: Kubectl, url: str
) -> None:
    """SIGKILL loses what the process was answering, and new connections until it is unready."""

    def kill(pod: str) -> None:
        kubectl("delete", "pod", pod, "--grace-period=0", "--force", "--wait=false")

    sending = switched_while_a_pod_ends(installed, kubectl, url, kill)
    failed = sum(answers.total() for answers in sending.failures.values())
    print(f"{failed} of them failed: {sending.failures}")
    assert failed <= 2 * len(sending.all), "no client failed for longer than a moment"


def switched_while_a_pod_ends(
    installed: Installed, kubectl: Kubectl, url: str, end: Callable[[str], None]
) -> Clients:
    """Release, and end a Pod of the new color as soon as it serves; return who sent requests."""
    books = f"{url}/api/v1/books"
    first = bookstore(installed.first_image, **UNLIMITED)
    written, headers = serving(kubectl, books, first)
    with clients(books, written, headers) as sending:
        kubectl.apply(bookstore(installed.second_image, **UNLIMITED))
        wait_for(lambda: serving_color(kubectl) == "green", SECONDS_EACH, "the switch")
        pods = kubectl.list("pod", f"{API},bookstore.dev/color=green")
        end(min(pod["metadata"]["name"] for pod in pods))
        release(kubectl, bookstore(installed.second_image, **UNLIMITED))
    print(f"a Pod ended in the switch: {sum(sending.sent.values()):,} requests, {sending.sent}")
    assert min(sending.sent.values()) > 50
    return sending


def warm(image: str, connection_age: int) -> dict[str, Any]:
    """Return a BookStore whose old color is kept for long, and which drains quickly."""
    rollout = {
        "scaleDownDelaySeconds": 5,
        "watch": {"seconds": 0},
        "rollbackWindowSeconds": 600,
    }
    config = {**UNLIMITED["config"], "connectionMaxAgeSeconds": connection_age}
    return bookstore(image, rollout=rollout, config=config)


def switch(kubectl: Kubectl, store: dict[str, Any]) -> None:
    """Apply a BookStore, and wait until the other color serves and it is Ready."""
    before = serving_color(kubectl)
    kubectl.apply(store)
    wait_for(lambda: serving_color(kubectl) != before, SECONDS_EACH, "the switch")
    wait_for(lambda: holds(kubectl.find("bookstore", STORE), "Ready"), SECONDS_EACH, "Ready")


def serving_color(kubectl: Kubectl) -> str:
    """Return the color that the Service selects."""
    service = kubectl.find("service", STORE) or {}
    return str(service["spec"]["selector"]["bookstore.dev/color"])
