"""What a record is about can be lost, replaced or deleted by others: on a real control plane.

The same in memory: tests/operator/test_records.py, test_ownership.py and test_interference.py.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import MIGRATED, REPORT_SECONDS, Shop, image
from tests.cluster.test_failures import container, now, patch_status, pods
from tests.support import faulty, mutating_webhook
from tests.support.kube import condition, wait_for

pytestmark = pytest.mark.cluster

CLAIM = "data-demo-db-0"


def lose_password(shop: Shop) -> None:
    shop.kubectl("delete", "secret", "demo-db")
    shop.kubectl("annotate", "bookstore", "demo", f"at={now()}")
    shop.reports("Stalled", "DatabaseSecretLost", f"kubectl delete pvc {CLAIM}", status="True")


def test_the_documented_way_out_of_a_lost_password_ends_with_a_migrated_database(
    operated: Shop,
) -> None:
    """The StatefulSet creates a deleted claim again; the volume is another, empty one."""
    operated.apply()
    operated.ready()
    old = operated.require("v1/persistentvolumeclaims", CLAIM)["metadata"]["uid"]
    lose_password(operated)
    operated.kubectl("delete", "pvc", CLAIM, "--wait=false")
    again = wait_for(
        lambda: operated.get("batch/v1/jobs", "demo-r1-expand-2"), 60, "another migration"
    )
    operated.ready()
    new = operated.require("v1/persistentvolumeclaims", CLAIM)["metadata"]["uid"]
    assert new != old
    assert operated.get("v1/secrets", "demo-db")
    assert again["metadata"]["labels"]["bookstore.dev/release"] == "demo-r1"
    status = operated.require("bookstorereleases", "demo-r1")["status"]
    assert status["database"] == new
    assert status["lastAttempt"]["number"] == 2
    assert "restore a backup" in condition(operated.store(), "DatabaseMigrated")["message"]
    assert len(operated.list("bookstorereleases")) == 1


def test_orphans_are_taken_over_and_deleted_with_the_next_bookstore(operated: Shop) -> None:
    spec: dict[str, Any] = {"cache": {"embedded": {}}}
    operated.apply(**spec)
    operated.ready()
    pods_before = {pod["metadata"]["uid"] for pod in operated.list("v1/pods")}
    operated.kubectl("delete", "bookstore", "demo", "--cascade=orphan")
    operated.apply(**spec)
    store = operated.ready()
    uid = store["metadata"]["uid"]

    def is_owned() -> bool:
        owned = ("bookstorereleases", "apps/v1/deployments", "v1/services", "v1/secrets")
        return all(
            [owner["uid"] for owner in obj["metadata"].get("ownerReferences", [])] == [uid]
            for kind in owned
            for obj in operated.list(kind)
        )

    wait_for(is_owned, REPORT_SECONDS, "all to be owned")
    assert {pod["metadata"]["uid"] for pod in operated.list("v1/pods")} == pods_before
    operated.delete("demo")
    kinds = ("bookstorereleases", "batch/v1/jobs", "v1/secrets", "apps/v1/deployments")
    wait_for(lambda: not any(operated.list(kind) for kind in kinds), 60, "everything to be deleted")


def test_a_migration_beside_a_sidecar_ends_and_its_job_is_deleted(operated: Shop) -> None:
    operated.apply()
    operated.ready()
    operated.apply(image=image("2-job-hang"))
    of_migration = "app.kubernetes.io/component=migration"
    (pod,) = pods(operated, f"bookstore.dev/release=demo-r2,{of_migration}")
    ended = {
        "exitCode": 0,
        "reason": "Completed",
        "message": json.dumps(MIGRATED),
        "startedAt": now(),
        "finishedAt": now(),
    }
    proxy = {**container(pod, True, {"running": {"startedAt": now()}}), "name": "proxy"}
    statuses = [proxy, container(pod, False, {"terminated": ended})]
    status = {"phase": "Running", "containerStatuses": statuses}
    patch_status(operated, "pod", pod["metadata"]["name"], status)
    operated.ready(image=image("2-job-hang"))
    wait_for(
        lambda: operated.get("batch/v1/jobs", "demo-r2-expand") is None,
        REPORT_SECONDS,
        "the Job to be deleted",
    )
    assert operated.require("bookstorereleases", "demo-r2")["status"]["lastAttempt"]["succeeded"]


def test_a_webhook_that_rewrites_images_is_tolerated_and_named(
    shop: Shop, proxy: faulty.Proxy, tmp_path: Path
) -> None:
    target = tmp_path / "proxied.kubeconfig"
    shop.start(kubeconfig=proxy.kubeconfig(shop.cluster.operator_kubeconfig, target))
    with mutating_webhook.images_of(
        shop.kubectl, shop.namespace, tmp_path, "mirror.example"
    ) as name:
        shop.apply()
        shop.ready()
        text = f"containers.api.image is mirror.example/bookstore-api:1, not {image('1')}"
        by = f"(webhooks whose rules match: MutatingWebhookConfiguration {name} (images.example"
        shop.reports("Ready", "Serving", "A webhook or policy changes", text, by)
        wait_for(lambda: proxy.quiet_for() > 2, REPORT_SECONDS, "no more writes")
        shop.kubectl("rollout", "pause", "deployment/demo-blue")
        wait_for(lambda: not is_paused(shop), REPORT_SECONDS, "the Deployment to be resumed")


def is_paused(shop: Shop) -> bool:
    return bool(shop.require("apps/v1/deployments", "demo-blue")["spec"].get("paused"))


def test_a_bookstore_of_a_deleted_ones_name_takes_no_results_of_its_jobs(operated: Shop) -> None:
    """Its Jobs have the same names, and the Pods of the former ones are still known."""
    operated.apply()
    operated.ready()
    operated.kubectl("delete", "bookstore", "demo", "--timeout=30s")
    operated.apply(image=image("2-job-slow"))
    wait_for(lambda: stage_of(operated) == "Start", REPORT_SECONDS, "the new release to start")
    job = operated.require("batch/v1/jobs", "demo-r1-expand")["metadata"]["uid"]
    phases = [pod["status"]["phase"] for pod in operated.list("v1/pods") if owner(pod) == job]
    assert phases == ["Succeeded"], "its own migration"
    operated.ready(image=image("2-job-slow"))


def stage_of(shop: Shop) -> str | None:
    release = shop.get("bookstorereleases", "demo-r1") or {}
    intent = (release.get("spec") or {}).get("intent") or {}
    stage = (release.get("status") or {}).get("stage")
    return stage if intent.get("image") == image("2-job-slow") else None


def owner(manifest: dict[str, Any]) -> str:
    owners = manifest["metadata"].get("ownerReferences") or [{"uid": ""}]
    return str(owners[0]["uid"])
