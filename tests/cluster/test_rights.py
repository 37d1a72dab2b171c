"""The operator's rights: it gets along with them, and uses each one.

A BookStore goes through a scripted life on a control plane of its own, whose API server writes down
each request. Whoever adds a right adds what needs it here.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from devcluster import audit
from tests.cluster.conftest import (
    ACCOUNT,
    MESSAGES,
    QUICK,
    ROOT,
    SYSTEM,
    Cluster,
    Shop,
    dump,
    image,
    install,
    own_control_plane,
    restore,
    shop_in_namespace,
)
from tests.cluster.test_releases import result
from tests.support.kube import condition, wait_for

pytestmark = pytest.mark.cluster

OPERATOR = f"system:serviceaccount:{SYSTEM}:{ACCOUNT}"
SECONDS = 60
BACKUP: dict[str, Any] = {"schedule": "0 3 1 1 *"}
TOO_MUCH: dict[str, Any] = {"requests": {"memory": "900Ti"}, "limits": {"memory": "900Ti"}}
ROLLOUT: dict[str, Any] = {**QUICK, "progressDeadlineSeconds": 60, "historyLimit": 2}


class Right(NamedTuple):
    """A verb on a resource, or on a subresource of it."""

    group: str
    resource: str
    verb: str


UNSEEN = {
    Right("bookstore.dev", f"{kind}/finalizers", "update")
    for kind in ("bookstores", "bookstorereleases", "bookstorerestores")
}
"""Rights that an admission plugin asks about; there is no request for them."""

EVERYBODYS = {Right("authorization.k8s.io", "selfsubjectrulesreviews", "create")}
"""Rights of every authenticated user (ClusterRole system:basic-user)."""


def granted() -> set[Right]:
    """Return the rights in manifests/base/rbac.yaml."""
    manifests = yaml.safe_load_all((ROOT / "manifests" / "base" / "rbac.yaml").read_text())
    return {
        Right(group, resource, verb)
        for manifest in manifests
        for rule in manifest.get("rules", ())
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def used(log: Path) -> set[Right]:
    """Return the rights that the operator's requests have used."""
    requests = [request for request in audit.requests(log) if request.user == OPERATOR]
    rights = {Right(request.group, request.resource, request.verb) for request in requests}
    # An apply that creates an object is a patch, for which the API server wants both.
    created = {r for r in requests if r.verb == "patch" and r.code == 201}
    return rights | {Right(r.group, r.resource, "create") for r in created}


def forbidden(log: Path) -> set[Right]:
    """Return what the operator has asked for without the right to it."""
    requests = [request for request in audit.requests(log) if request.user == OPERATOR]
    return {Right(r.group, r.resource, r.verb) for r in requests if not r.allowed}


@pytest.fixture
def audited(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Shop]:
    """Yield a namespace on a control plane that writes requests down, with a leading operator."""
    with own_control_plane("rights", messages=MESSAGES, audited=True) as plane:
        install(plane, tmp_path / "operator.kubeconfig")
        cluster = Cluster(plane, tmp_path / "operator.kubeconfig")
        with shop_in_namespace(cluster, tmp_path / "operator.log") as shop:
            shop.start("--leader-election")
            failed_before = request.session.testsfailed
            yield shop
            if request.session.testsfailed > failed_before:
                print(dump(shop))


@pytest.mark.timeout(900)
def test_every_right_is_used_in_a_life_and_no_other_is_missed(audited: Shop) -> None:
    correct_a_mistake_in_volumes_and_resources(audited)
    release_until_the_history_is_full(audited)
    configure_everything_and_take_it_away_again(audited)
    repair_what_others_do(audited)
    restore_a_backup(audited)
    cancel_what_never_ran(audited)
    report_the_same_again_after_a_restart(audited)
    leave_and_adopt(audited)

    log = audited.cluster.plane.audit_log
    assert forbidden(log) == set(), "requests without the right to them"
    missing = used(log) - granted() - EVERYBODYS
    assert not missing, f"rights that others than these manifests give: {missing}"
    unused = sorted(granted() - used(log) - UNSEEN)
    assert not unused, f"granted and never used, remove them or what uses them is missing: {unused}"


def correct_a_mistake_in_volumes_and_resources(shop: Shop) -> None:
    """A storage class that does not exist, then a Pod that no node has room for."""
    none = {"storage": {"storageClassName": "none"}}
    shop.apply(rollout=ROLLOUT, database={"embedded": none}, backup={**BACKUP, **none})
    claims = ("data-demo-db-0", "demo-backup")
    wait_for(
        lambda: all(shop.get("v1/persistentvolumeclaims", name) for name in claims),
        SECONDS,
        "the claims",
    )
    shop.reports("Ready", "PodUnschedulable", "kubectl describe pvc data-demo-db-0")
    shop.apply(rollout=ROLLOUT, database={"embedded": {"resources": TOO_MUCH}}, backup=BACKUP)
    shop.reports("Ready", "PodUnschedulable", "spec.database.embedded.resources")
    shop.apply(rollout=ROLLOUT, backup={**BACKUP, "resources": TOO_MUCH})
    shop.ready()
    shop.kubectl("create", "job", "demo-backup-1", "--from=cronjob/demo-backup")
    shop.reports("BackupHealthy", "PodUnschedulable", status="False")
    shop.apply(rollout=ROLLOUT, backup=BACKUP)
    shop.reports("BackupHealthy", "BackedUp")
    add_pruned_backup(shop)
    wait_for(lambda: not shop.get("bookstorebackups", "pruned"), SECONDS, "the record to go")
    shop.apply(rollout=ROLLOUT, backup=BACKUP, deletionPolicy="FinalBackup")
    wait_for(lambda: finalizers(shop), SECONDS, "the finalizer")
    shop.apply(rollout=ROLLOUT, backup=BACKUP)
    wait_for(lambda: not finalizers(shop), SECONDS, "the finalizer to go")


def finalizers(shop: Shop) -> list[str]:
    listed: list[str] = shop.require("bookstores", "demo")["metadata"].get("finalizers", [])
    return listed


def add_pruned_backup(shop: Shop) -> None:
    """A record of a backup that the target, as the last backup has listed it, does not have."""
    record = {
        "apiVersion": "bookstore.dev/v1alpha1",
        "kind": "BookStoreBackup",
        "metadata": {"name": "pruned"},
        "spec": {"storeName": "demo", "job": "gone"},
    }
    shop.kubectl.apply(record)

    def is_missed() -> bool:
        written = shop.require("bookstorebackups", "pruned").get("status") or {}
        return bool(written.get("phase") == "Failed")

    wait_for(is_missed, SECONDS, "the operator to miss its Job")  # or it overwrites what follows
    status = {"status": {"phase": "Verified", "backup": "20250101T000000Z-000000"}}
    patch = ("--type=merge", "--subresource=status", f"-p={json.dumps(status)}")
    shop.kubectl("patch", "bookstorebackup", "pruned", *patch)


def release_until_the_history_is_full(shop: Shop) -> None:
    """Three more releases, of which one needs a second attempt to migrate."""
    for tag in ("2", "3", "4"):
        shop.apply(rollout=ROLLOUT, image=image(tag))
        shop.ready(image=image(tag))
    wait_for(lambda: not shop.get("bookstorereleases", "demo-r1"), SECONDS, "the first to be gone")


def configure_everything_and_take_it_away_again(shop: Shop) -> None:
    plain: dict[str, Any] = {"rollout": ROLLOUT, "image": image("4")}
    more: dict[str, Any] = {"cache": {"embedded": {}}, "backup": BACKUP}
    exposed: dict[str, Any] = {"ingress": {"host": "books.example"}}
    autoscaling: dict[str, Any] = {"autoscaling": {"minReplicas": 2, "maxReplicas": 3}}
    shop.apply(**plain, **more, **exposed, **autoscaling)
    shop.ready()
    shop.reports("Exposed", "WaitingForAddress", status="False")
    shop.reports("CacheHealthy", "CacheReady")
    wait_for(lambda: shop.get("batch/v1/cronjobs", "demo-backup"), SECONDS, "the backups")
    shop.apply(**plain, networkPolicy={"enabled": False})
    shop.ready()
    gone = (
        ("apps/v1/deployments", "demo-cache"),
        ("v1/services", "demo-cache"),
        ("batch/v1/cronjobs", "demo-backup"),
        ("autoscaling/v2/horizontalpodautoscalers", "demo"),
        ("networking.k8s.io/v1/networkpolicies", "demo-api"),
        ("networking.k8s.io/v1/ingresses", "demo"),
    )
    wait_for(lambda: not any(shop.get(*target) for target in gone), SECONDS, "all to be deleted")
    shop.apply(**plain)
    shop.ready()


def cancel_what_never_ran(shop: Shop) -> None:
    """A quota forbids the Pods of a release, then its image can't be pulled; it is taken back."""
    shop.limit(**{"limits.cpu": "100"})
    shop.apply(rollout=ROLLOUT, image=image("no-room"))
    shop.reports("Ready", "PodCreationForbidden")
    shop.kubectl("delete", "resourcequota", "few")
    shop.apply(rollout=ROLLOUT, image=image("6-job-unpullable"))
    shop.reports("Ready", "ImagePullFailed")
    shop.apply(rollout=ROLLOUT, image=image("4"))
    shop.ready(image=image("4"))


def restore_a_backup(shop: Shop) -> None:
    """Beside what serves; deleting it deletes all that it has made."""
    shop.provide_backups()
    shop.kubectl.apply(restore("monday"))
    wait_for(
        lambda: (
            (shop.require("bookstorerestores", "monday").get("status") or {}).get("phase")
            == "Complete"
        ),
        SECONDS,
        "the restore",
    )
    shop.kubectl("delete", "bookstorerestore", "monday")


def labels(shop: Shop, plural: str, name: str) -> dict[str, str]:
    found: dict[str, str] = (shop.get(plural, name) or {"metadata": {}})["metadata"].get(
        "labels", {}
    )
    return found


UNLABELLED = json.dumps({"metadata": {"labels": {"bookstore.dev/store": None}}})


def repair_what_others_do(shop: Shop) -> None:
    """Objects that were deleted, or have lost the label by which they are watched."""
    shop.kubectl("delete", "service", "demo")
    wait_for(lambda: shop.get("v1/services", "demo"), SECONDS, "the Service again")
    shop.kubectl("patch", "service", "demo", "--type=merge", f"-p={UNLABELLED}")
    wait_for(lambda: shop.list("v1/services", "bookstore.dev/store"), SECONDS, "its label again")
    # The name of the next migration's Job is taken, by one of the operator's own without its label.
    newest = max(release["spec"]["revision"] for release in shop.list("bookstorereleases"))
    job = ("job", f"demo-r{newest + 1}-expand")
    shop.kubectl("create", *job, "--image=x", "--field-manager=bookstore-operator")
    shop.apply(rollout=ROLLOUT, image=image("never-released"))
    wait_for(
        lambda: "bookstore.dev/store" in labels(shop, "batch/v1/jobs", job[1]), SECONDS, "a label"
    )
    shop.kubectl("delete", *job)
    shop.apply(rollout=ROLLOUT, image=image("4"))
    shop.ready(image=image("4"))
    # A webhook adds to a Pod template within an apply: an Update by who applies.
    toleration = {"spec": {"template": {"spec": {"tolerations": [{"operator": "Exists"}]}}}}
    added = ("--type=merge", f"-p={json.dumps(toleration)}", "--field-manager=bookstore-operator")
    shop.kubectl("patch", "statefulset", "demo-db", *added)
    shop.reports("Ready", "Serving", "spec.template.spec.tolerations (by a webhook or policy)")
    shop.kubectl("delete", "secret", "demo-staff")
    wait_for(lambda: shop.get("v1/secrets", "demo-staff"), SECONDS, "a new token")


def report_the_same_again_after_a_restart(shop: Shop) -> None:
    """An event that is there already becomes a series."""
    for number in range(2):
        shop.apply(rollout=ROLLOUT, image=image("5"), paused=True)
        shop.reports("Ready", "Paused")
        shop.apply(rollout=ROLLOUT, image=image("4"))
        shop.ready()
        assert shop.operator.stop() == 0
        shop.start("--leader-election", log=f"again-{number}.log")
    shop.ready()


def leave_and_adopt(shop: Shop) -> None:
    """A BookStore that was deleted without its objects: the next of its name takes them over."""
    shop.kubectl("delete", "bookstore", "demo", "--cascade=orphan", "--timeout=30s")
    shop.apply(rollout=ROLLOUT, image=image("4"))
    shop.ready()
    store = shop.require("bookstores", "demo")
    uid = store["metadata"]["uid"]

    def is_adopted() -> bool:
        owned = [r["metadata"].get("ownerReferences", []) for r in shop.list("bookstorereleases")]
        return bool(owned) and all([owner["uid"] for owner in owners] == [uid] for owners in owned)

    wait_for(is_adopted, SECONDS, "the releases to be adopted")
    assert condition(store, "Stalled")["status"] == "False"
    assert result(shop, store["status"]["active"]["release"]) == "Succeeded"
