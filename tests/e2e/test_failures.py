"""Failures that only a real kubelet and a real database show."""

from __future__ import annotations

import base64
import os
import subprocess
import time
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from demo.deploy import load_images
from demo.kubectl import Kubectl
from demo.traffic import traffic, wait_until_answering
from tests.e2e.conftest import Installed
from tests.e2e.test_bookstore import STORE, bookstore, release, serving_images
from tests.support.kube import condition, holds, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

MISSING = "localhost/bookstore-api:pushed-late"


def told(kubectl: Kubectl, store: str, reason: str, *words: str) -> None:
    """Wait until a condition says it, and a Warning event too."""

    def is_told() -> bool:
        ready = condition(kubectl.find("bookstore", store), "Ready")
        said = ready.get("message", "")
        return ready.get("reason") == reason and all(each in said for each in words)

    wait_for(is_told, 90, f"{store} to say {reason}")
    print(condition(kubectl.find("bookstore", store), "Ready")["message"])
    events = f"reason={reason},type=Warning,involvedObject.name={store}"
    wait_for(
        lambda: words[0] in kubectl("get", "events", f"--field-selector={events}", "-o", "json"),
        10,
        f"an event that says {reason}",
    )


def ready_with(kubectl: Kubectl, store: str, image: str) -> bool:
    found = kubectl.find("bookstore", store)
    active = ((found or {}).get("status") or {}).get("active") or {}
    return holds(found, "Ready") and active.get("image") == image


def changes_within(kubectl: Kubectl, seconds: float) -> int:
    """How often the BookStore is written in so many seconds, as a watch tells it."""
    watch = subprocess.run(
        [
            *("kubectl", "--namespace", kubectl.namespace, "get", "bookstore", STORE),
            *("--watch-only", "-o", "name", f"--request-timeout={seconds:.0f}s"),
        ],
        env={**os.environ, **kubectl.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return len(watch.stdout.splitlines())


def test_an_image_that_is_pushed_late(installed: Installed, kubectl: Kubectl) -> None:
    """The kubelet can't pull it: told, nobody notices, few writes, and it passes by itself."""
    url = f"{installed.cluster.url}/api/v1/books"
    release(kubectl, bookstore(installed.first_image))
    wait_until_answering(url)
    with traffic(url) as requests:
        kubectl.apply(bookstore(MISSING))
        told(kubectl, STORE, "ImageUnpullable", f"Image {MISSING} of Pod {STORE}-r2-expand")
        # The kubelet pulls, fails and waits by turns.
        assert changes_within(kubectl, 15) <= 1
        assert serving_images(kubectl) == {installed.first_image}
        tag = ["docker", "tag", installed.second_image, MISSING]
        environment = {**os.environ, **installed.cluster.environment}
        subprocess.run(tag, env=environment, check=True)
        load_images(installed.cluster, [MISSING])
        wait_for(lambda: ready_with(kubectl, STORE, MISSING), 180, "the release to go on")
    assert requests.failed == 0, requests.answers
    assert httpx.get(url, timeout=10).status_code == 200


def test_a_database_that_does_not_answer_then_refuses_the_password(
    installed: Installed, kubectl: Kubectl
) -> None:
    """An external database, told by a Secret that is wrong twice before it is right."""
    reached = {"networkPolicy": {"enabled": False}, "service": {"type": "ClusterIP"}}
    release(kubectl, bookstore(installed.first_image, **reached))
    found = kubectl.find("secret", f"{STORE}-db")
    assert found is not None
    right = base64.b64decode(found["data"]["uri"]).decode()
    password = base64.b64decode(found["data"]["password"]).decode()

    secret(kubectl, right.replace(":5432/", ":5433/"))
    external = {"external": {"secretName": "elsewhere"}}
    second = bookstore(installed.first_image, database=external, **reached)
    second["metadata"]["name"] = "second"
    kubectl.apply(second)
    told(kubectl, "second", "DatabaseUnreachable", "second-r1-expand", "does not answer")

    secret(kubectl, right.replace(quote(password), "wrong"))
    told(kubectl, "second", "DatabaseRefusedCredentials", "second-r1-expand", "Secret elsewhere")
    assert holds(kubectl.find("bookstore", STORE), "Ready"), "nobody else is troubled"

    secret(kubectl, right)
    begin = time.monotonic()
    wait_for(lambda: ready_with(kubectl, "second", installed.first_image), 120, "it to pass")
    print(f"ready {time.monotonic() - begin:.0f} s after the Secret was right")


def secret(kubectl: Kubectl, uri: str) -> None:
    manifest: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "elsewhere"},
        "stringData": {"uri": uri},
    }
    kubectl.apply(manifest)
