"""The main job on a real cluster: create, use, release, use again, delete."""

from typing import Any

import httpx
import pytest

from demo.deploy import ROOT, load_manifest
from demo.follow import follow
from demo.kubectl import Kubectl
from demo.traffic import traffic, wait_until_answering
from tests.e2e.conftest import NODE_PORT, Installed
from tests.support.kube import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]

STORE = "demo"
SELECTOR = f"bookstore.dev/store={STORE}"
BOOK = {
    "title": "Kindred",
    "authors": ["Octavia E. Butler"],
    "isbn": "9780807083697",
    "price": {"amount": "12.50", "currency": "USD"},
}
OTHER_BOOK = {
    "title": "Piranesi",
    "authors": ["Susanna Clarke"],
    "isbn": "9781526622433",
    "price": {"amount": "14.00", "currency": "GBP"},
}


def bookstore(image: str, **spec: Any) -> dict[str, Any]:
    """Return the demo's sample with a fixed size, this image and other fields of the spec."""
    store = load_manifest(ROOT / "manifests" / "samples" / "demo.yaml")
    del store["spec"]["autoscaling"]
    store["spec"]["replicas"] = 2
    store["spec"]["service"]["nodePort"] = NODE_PORT
    store["spec"] |= {"image": image, **spec}
    return store


def release(kubectl: Kubectl, store: dict[str, Any]) -> None:
    """Apply the BookStore and wait until it is Ready with its image."""
    kubectl.apply(store)
    follow(kubectl, STORE, store["spec"]["image"], timeout=420)


def titles(url: str) -> list[str]:
    """Return the titles of all books."""
    answer = httpx.get(f"{url}/api/v1/books", timeout=10).raise_for_status()
    return [book["title"] for book in answer.json()["items"]]


def staff(kubectl: Kubectl) -> dict[str, str]:
    """Return the header that allows writes."""
    return {"Authorization": f"Bearer {kubectl.secret(f'{STORE}-staff')['token']}"}


def write(kubectl: Kubectl, url: str, book: dict[str, Any]) -> None:
    """Create a book."""
    books = f"{url}/api/v1/books"
    assert httpx.post(books, json=book, timeout=10).status_code == 401, "not without the token"
    written = httpx.post(books, json=book, headers=staff(kubectl), timeout=10)
    assert written.status_code == 201, written.text


def serving_images(kubectl: Kubectl) -> set[str]:
    """Return the images of the Pods that the active Service selects."""
    service = kubectl.find("service", STORE)
    assert service is not None
    selector = ",".join(f"{k}={v}" for k, v in service["spec"]["selector"].items())
    pods = kubectl.list("pod", selector)
    return {pod["spec"]["containers"][0]["image"] for pod in pods}


@pytest.mark.invariant
def test_a_bookstore_is_created_used_released_deleted_and_adopted(
    installed: Installed, kubectl: Kubectl, url: str
) -> None:
    """Create, write, release under traffic, read and write again, delete, adopt, delete all."""
    backup = {"schedule": "0 3 1 1 *", "keep": 2}
    first = bookstore(installed.first_image, deletionPolicy="Retain", backup=backup)
    release(kubectl, first)
    wait_until_answering(f"{url}/api/v1/books")
    write(kubectl, url, BOOK)
    assert titles(url) == ["Kindred"]
    assert serving_images(kubectl) == {installed.first_image}

    second = bookstore(installed.second_image, deletionPolicy="Retain", backup=backup)
    with traffic(f"{url}/api/v1/books") as requests:
        release(kubectl, second)
    assert serving_images(kubectl) == {installed.second_image}
    assert requests.sent > 0
    assert requests.failed == 0, requests.answers
    write(kubectl, url, OTHER_BOOK)
    assert titles(url) == ["Kindred", "Piranesi"]

    kubectl("create", "job", "backup-now", f"--from=cronjob/{STORE}-backup")
    kubectl("wait", "--for=condition=Complete", "job/backup-now", "--timeout=110s")

    kubectl("delete", "bookstore", STORE, "--timeout=60s")
    wait_for(lambda: not kubectl.list("pod", SELECTOR), 90, "the Pods to be deleted")
    assert kubectl.find("secret", f"{STORE}-db"), "Retain keeps the password"
    assert kubectl.find("pvc", f"data-{STORE}-db-0"), "Retain keeps the data"
    assert kubectl.find("pvc", f"{STORE}-backup"), "Retain keeps the backups"

    release(kubectl, bookstore(installed.second_image, deletionPolicy="Delete", backup=backup))
    wait_until_answering(f"{url}/api/v1/books")
    assert titles(url) == ["Kindred", "Piranesi"], "a BookStore of that name adopts the data"

    kubectl("delete", "bookstore", STORE, "--timeout=60s")
    wait_for(lambda: not kubectl.list("pvc", SELECTOR), 120, "Delete to take the volumes")
    secrets = (f"{STORE}-db", f"{STORE}-cache", f"{STORE}-staff")
    wait_for(
        lambda: not any(kubectl.find("secret", name) for name in secrets),
        60,
        "the Secrets to be deleted",
    )
