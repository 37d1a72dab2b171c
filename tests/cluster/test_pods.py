"""All Pods of a BookStore on a real scheduler: mistakes that are taken back, and quotas."""

import json
from typing import Any

import pytest

from demo.kubectl import KubectlError
from tests.cluster.conftest import REPORT_SECONDS, Shop
from tests.support.kube import condition, wait_for

pytestmark = pytest.mark.cluster

TOO_MUCH: dict[str, Any] = {"requests": {"memory": "900Ti"}, "limits": {"memory": "900Ti"}}
ENOUGH: dict[str, Any] = {"requests": {"memory": "64Mi"}, "limits": {"memory": "256Mi"}}
BACKUP: dict[str, Any] = {"schedule": "0 0 1 1 *", "resources": TOO_MUCH}


def begin_backup(shop: Shop, name: str) -> None:
    shop.kubectl("create", "job", name, "--from=cronjob/demo-backup")


def test_requests_that_no_node_has_are_named_and_can_be_taken_back(operated: Shop) -> None:
    """Kubernetes replaces neither the Pod of a StatefulSet nor that of a Job."""
    operated.apply(
        database={"embedded": {"resources": TOO_MUCH}},
        cache={"embedded": {"resources": TOO_MUCH}},
        backup=BACKUP,
    )
    named = "request less in spec.database.embedded.resources"
    operated.reports("Ready", "PodUnschedulable", "Pod demo-db-0", named)
    operated.reports("CacheHealthy", "PodUnschedulable", "spec.cache.embedded.resources")
    wait_for(lambda: operated.get("batch/v1/cronjobs", "demo-backup"), REPORT_SECONDS, "a CronJob")
    begin_backup(operated, "demo-backup-1")
    operated.reports("BackupHealthy", "PodUnschedulable", "spec.backup.resources", status="False")
    operated.apply(
        database={"embedded": {"resources": ENOUGH}},
        cache={"embedded": {"resources": ENOUGH}},
        backup={**BACKUP, "resources": ENOUGH},
    )
    operated.ready()
    operated.reports("CacheHealthy", "CacheReady")
    operated.reports("BackupHealthy", "BackedUp")


def test_a_quota_that_requires_limits_is_reported_for_each_backup_and_can_be_met(
    operated: Shop,
) -> None:
    operated.apply(backup={"schedule": "0 0 1 1 *"})
    operated.ready()
    operated.limit(**{"limits.cpu": "100"})
    begin_backup(operated, "demo-backup-1")
    field = "Set spec.backup.resources.limits.cpu"
    operated.reports("BackupHealthy", "PodCreationForbidden", "Job demo-backup-1", field)
    limited = {"limits": {"cpu": "1", "memory": "512Mi"}}
    operated.apply(backup={"schedule": "0 0 1 1 *", "resources": limited})
    operated.reports("BackupHealthy", "BackedUp")
    first = operated.ready()["status"]["lastBackupAt"]
    begin_backup(operated, "demo-backup-2")
    wait_for(
        lambda: operated.ready()["status"]["lastBackupAt"] > first,
        REPORT_SECONDS,
        "the second backup of another name to be counted",
    )
    assert condition(operated.store(), "BackupHealthy")["status"] == "True"


def test_a_volume_grows_without_a_release_where_its_class_allows_it(operated: Shop) -> None:
    name = f"growing-{operated.namespace}"
    operated.kubectl.apply(storage_class(operated, name))
    storage = {"storageClassName": name}
    operated.apply(database={"embedded": {"storage": storage}})
    operated.ready()
    operated.apply(database={"embedded": {"storage": {**storage, "size": "2Gi"}}})
    operated.reports("Ready", "VolumeResizing", "claim data-demo-db-0 to grow from 1Gi to 2Gi")
    capacity = json.dumps({"status": {"capacity": {"storage": "2Gi"}}})
    claim = ("pvc", "data-demo-db-0", "--subresource=status", "--type=merge")
    operated.kubectl("patch", *claim, "-p", capacity)
    store = operated.ready()
    assert store["status"]["volumes"]["database"]["size"] == "2Gi"
    assert store["status"]["release"] == "demo-r1"
    labels = operated.require("v1/persistentvolumeclaims", "data-demo-db-0")["metadata"]["labels"]
    assert "app.kubernetes.io/instance" not in labels, "Argo CD would prune a retained volume"
    with pytest.raises(KubectlError, match="a volume can't shrink"):
        operated.apply(database={"embedded": {"storage": storage}})


def test_a_class_that_does_not_exist_or_can_not_expand_can_be_taken_back(operated: Shop) -> None:
    operated.apply(
        database={"embedded": {"storage": {"storageClassName": "none"}}},
        backup={"schedule": "@monthly", "storage": {"storageClassName": "none"}},
    )
    operated.reports("Ready", "PodUnschedulable", "kubectl describe pvc data-demo-db-0")
    wait_for(lambda: set(volumes(operated)) == {"database", "backup"}, REPORT_SECONDS, "a status")
    operated.apply(backup={"schedule": "@monthly"})
    operated.ready()
    operated.apply(database={"embedded": {"storage": {"size": "2Gi"}}})
    operated.reports("Ready", "ApplyRejected", "data-demo-db-0", "allowVolumeExpansion")
    operated.apply()
    operated.ready()


def volumes(shop: Shop) -> dict[str, Any]:
    """Return the volumes in the status of the BookStore."""
    found: dict[str, Any] = shop.require("bookstores", "demo")["status"].get("volumes", {})
    return found


def test_a_generated_secret_that_is_deleted_is_created_again_soon(operated: Shop) -> None:
    """Secrets are not watched: the operator has no right to list them."""
    operated.apply()
    operated.ready()
    operated.kubectl("delete", "secret", "demo-staff")
    wait_for(lambda: operated.get("v1/secrets", "demo-staff"), REPORT_SECONDS, "a new token")


def storage_class(shop: Shop, name: str) -> dict[str, Any]:
    """Return a StorageClass as the default one, but with allowVolumeExpansion."""
    items = json.loads(shop.kubectl("get", "storageclass", "-o", "json"))["items"]
    default = next(item for item in items if "growing" not in item["metadata"]["name"])
    kept = ("apiVersion", "kind", "provisioner", "reclaimPolicy", "volumeBindingMode")
    copied = {key: default[key] for key in kept if key in default}
    return {**copied, "metadata": {"name": name}, "allowVolumeExpansion": True}
