"""Failures that only a real kubelet and a real database show."""

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from demo.deploy import Cluster, load_images
from demo.kubectl import Kubectl, KubectlError
from demo.traffic import traffic, wait_until_answering
from tests.e2e.conftest import Installed
from tests.e2e.test_bookstore import (
    BOOK,
    OTHER_BOOK,
    STORE,
    bookstore,
    release,
    serving_images,
    titles,
    write,
)
from tests.support.kube import condition, holds, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

MISSING = "localhost/bookstore-api:pushed-late"


def assert_reported(kubectl: Kubectl, store: str, reason: str, *words: str) -> None:
    """Wait until the condition Ready and a Warning event report it."""

    def is_reported() -> bool:
        ready = condition(kubectl.find("bookstore", store), "Ready")
        message = ready.get("message", "")
        return ready.get("reason") == reason and all(text in message for text in words)

    wait_for(is_reported, 90, f"{store} to report {reason}")
    print(condition(kubectl.find("bookstore", store), "Ready")["message"])
    events = f"reason={reason},type=Warning,involvedObject.name={store}"
    wait_for(
        lambda: words[0] in kubectl("get", "events", f"--field-selector={events}", "-o", "json"),
        10,
        f"an event with reason {reason}",
    )


def is_ready_with(kubectl: Kubectl, store: str, image: str) -> bool:
    manifest = kubectl.find("bookstore", store)
    active = ((manifest or {}).get("status") or {}).get("active") or {}
    return holds(manifest, "Ready") and active.get("image") == image


def changes_within(kubectl: Kubectl, seconds: float) -> list[str]:
    """Return the BookStore's conditions after each write in so many seconds."""
    watch = subprocess.run(
        [
            *("kubectl", "--namespace", kubectl.namespace, "get", "bookstore", STORE),
            *("--watch-only", f"--request-timeout={seconds:.0f}s"),
            *("-o", 'jsonpath={.status.conditions}{"\\n"}'),
        ],
        env={**os.environ, **kubectl.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return watch.stdout.splitlines()


@pytest.mark.invariant
def test_a_release_continues_when_its_image_is_pushed_late(
    installed: Installed, kubectl: Kubectl, url: str
) -> None:
    """The kubelet can't pull it: reported, no request fails, few writes, recovers by itself."""
    books = f"{url}/api/v1/books"
    release(kubectl, bookstore(installed.first_image))
    wait_until_answering(books)
    with traffic(books) as requests:
        kubectl.apply(bookstore(MISSING))
        assert_reported(
            kubectl, STORE, "ImagePullFailed", f"Image {MISSING} of Pod {STORE}-r2-validate"
        )
        # The kubelet pulls, fails and waits by turns.
        changes = changes_within(kubectl, 15)
        assert len(changes) <= 1, changes
        assert serving_images(kubectl) == {installed.first_image}
        tag = ["docker", "tag", installed.second_image, MISSING]
        environment = {**os.environ, **installed.cluster.environment}
        subprocess.run(tag, env=environment, check=True)
        load_images(installed.cluster, [MISSING])
        wait_for(lambda: is_ready_with(kubectl, STORE, MISSING), 180, "the release to go on")
    assert requests.failed == 0, requests.answers
    assert httpx.get(books, timeout=10).status_code == 200


def test_an_unreachable_database_and_a_wrong_password_are_reported_until_fixed(
    installed: Installed, kubectl: Kubectl
) -> None:
    """The Secret of an external database is wrong twice before it is right."""
    reached = {"networkPolicy": {"enabled": False}, "service": {"type": "ClusterIP"}}
    release(kubectl, bookstore(installed.first_image, **reached))
    values = kubectl.secret(f"{STORE}-db")
    right, password = values["uri"], values["password"]

    secret(kubectl, right.replace(":5432/", ":5433/"))
    external = {"external": {"secretName": "elsewhere"}}
    second = bookstore(installed.first_image, database=external, **reached)
    second["metadata"]["name"] = "second"
    kubectl.apply(second)
    assert_reported(kubectl, "second", "DatabaseUnreachable", "second-r1-expand", "does not answer")

    secret(kubectl, right.replace(quote(password), "wrong"))
    assert_reported(
        kubectl, "second", "DatabaseAuthenticationFailed", "second-r1-expand", "Secret elsewhere"
    )
    assert holds(kubectl.find("bookstore", STORE), "Ready"), "no other BookStore is affected"

    secret(kubectl, right)
    begin = time.monotonic()
    wait_for(lambda: is_ready_with(kubectl, "second", installed.first_image), 120, "it to recover")
    print(f"ready {time.monotonic() - begin:.0f} s after the Secret was right")


@dataclass(frozen=True)
class SmallVolume:
    """A file system of its own in the memory of the node, which a volume claim can be bound to."""

    cluster: Cluster
    name: str

    @property
    def folder(self) -> str:
        """Where it is mounted on the node."""
        return f"/mnt/{self.name}"

    def on_node(self, command: str) -> None:
        """Run a line of shell on the node."""
        subprocess.run(
            ["docker", "exec", f"{self.cluster.name}-control-plane", "sh", "-c", command],
            env={**os.environ, **self.cluster.environment},
            check=True,
            timeout=60,
        )

    def mount(self) -> None:
        """Mount it, for PostgreSQL's user to write to."""
        options = "size=128m,uid=999,gid=999,mode=0770"
        self.on_node(f"mkdir {self.folder} && mount -t tmpfs -o {options} tmpfs {self.folder}")

    def crowd(self) -> None:
        """Fill its free space, as another tenant of the same disk would."""
        self.on_node(f"cat /dev/zero >>{self.folder}/crowd 2>/dev/null || true")

    def grow(self) -> None:
        """Make room."""
        self.on_node(f"mount -o remount,size=512m {self.folder}")

    def unmount(self) -> None:
        """Unmount it, even if a server still has files open on it."""
        self.on_node(f"umount -l {self.folder} && rmdir {self.folder}")


@pytest.fixture
def small_volume(installed: Installed, kubectl: Kubectl) -> Iterator[SmallVolume]:
    """Yield a volume of 128 MiB for the BookStore's database, with a StorageClass of its own."""
    volume = SmallVolume(installed.cluster, f"small-{kubectl.namespace}")
    volume.mount()
    claim = {"namespace": kubectl.namespace, "name": f"data-{STORE}-db-0"}
    kubectl.apply(
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": volume.name},
            "provisioner": "kubernetes.io/no-provisioner",
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": volume.name},
            "spec": {
                "storageClassName": volume.name,
                "capacity": {"storage": "128Mi"},
                "accessModes": ["ReadWriteOnce"],
                "claimRef": claim,
                "hostPath": {"path": volume.folder, "type": "Directory"},
            },
        },
    )
    yield volume
    if not os.environ.get("KEEP"):
        kubectl("delete", f"storageclass/{volume.name}", f"pv/{volume.name}", "--wait=false")
        volume.unmount()


FILL_UP = """
DO $$ BEGIN LOOP
    INSERT INTO ballast SELECT repeat('x', 100000) FROM generate_series(1, 10);
    COMMIT;
END LOOP; END $$
"""


def sql(kubectl: Kubectl, *statements: str) -> str:
    """Run SQL on the embedded database, as its own user."""
    psql = (
        "PGPASSWORD=$(cat /run/secrets/postgres/password) "
        "exec psql --host=127.0.0.1 --username=bookstore --set=ON_ERROR_STOP=1 "
        '--tuples-only --no-align "$@" bookstore'
    )
    commands = [f"--command={statement}" for statement in statements]
    return kubectl("exec", f"{STORE}-db-0", "--", "sh", "-c", psql, "psql", *commands)


def test_a_full_volume_is_reported_until_it_has_room(
    installed: Installed, kubectl: Kubectl, small_volume: SmallVolume, url: str
) -> None:
    """SQL fills it, the server can't start again on it, and does by itself once there is room."""
    books = f"{url}/api/v1/books"
    storage = {"size": "96Mi", "storageClassName": small_volume.name}
    release(kubectl, bookstore(installed.first_image, database={"embedded": {"storage": storage}}))
    wait_until_answering(books)
    write(kubectl, url, BOOK)

    sql(
        kubectl,
        "CREATE TABLE ballast (filler text)",
        "ALTER TABLE ballast ALTER filler SET STORAGE EXTERNAL",
    )
    with pytest.raises(KubectlError) as full:
        sql(kubectl, FILL_UP)
    print(full.value)
    assert "No space left on device" in kubectl("logs", f"{STORE}-db-0")

    # A server frees some files as it ends, and somebody takes that room before the next one starts.
    kubectl("delete", "pod", f"{STORE}-db-0", "--wait=false")
    wait_for(lambda: crowded_out(kubectl, small_volume), 150, "the full volume to be reported")
    claim = f"pvc data-{STORE}-db-0"
    assert_reported(
        kubectl, STORE, "VolumeFull", f"Pod {STORE}-db-0 exits", "No space left on device", claim
    )
    wait_for(
        lambda: not holds(kubectl.find("bookstore", STORE), "Available"), 60, "the API to notice"
    )
    changes = changes_within(kubectl, 15)
    assert len(changes) <= 1, f"later crashes change nothing: {changes}"

    small_volume.grow()
    begin = time.monotonic()
    wait_for(lambda: is_ready_with(kubectl, STORE, installed.first_image), 300, "it to recover")
    print(f"ready {time.monotonic() - begin:.0f} s after there was room")
    wait_until_answering(books)
    assert titles(url) == [BOOK["title"]]
    assert int(sql(kubectl, "SELECT count(*) FROM ballast")) >= 10, "what was committed is there"
    write(kubectl, url, OTHER_BOOK)


def crowded_out(kubectl: Kubectl, volume: SmallVolume) -> bool:
    volume.crowd()
    return condition(kubectl.find("bookstore", STORE), "Ready").get("reason") == "VolumeFull"


def secret(kubectl: Kubectl, uri: str) -> None:
    manifest: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "elsewhere"},
        "stringData": {"uri": uri},
    }
    kubectl.apply(manifest)
