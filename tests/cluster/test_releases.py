"""Create, release, fail, scale, delete: on a real control plane, with simulated Pods."""

from typing import Any

import pytest

from tests.cluster.conftest import QUICK, Shop, image
from tests.support.kube import holds, wait_for

pytestmark = pytest.mark.cluster

OWNED = (
    *("apps/v1/deployments", "apps/v1/statefulsets", "batch/v1/jobs", "batch/v1/cronjobs"),
    *("v1/pods", "v1/services", "v1/persistentvolumeclaims", "policy/v1/poddisruptionbudgets"),
    *("autoscaling/v2/horizontalpodautoscalers", "networking.k8s.io/v1/networkpolicies"),
)
BACKUP = {"schedule": "0 3 1 1 *", "keep": 2}


def result(shop: Shop, name: str) -> str | None:
    release = shop.get("bookstorereleases", name)
    return ((release or {}).get("status") or {}).get("result")


def color_of(shop: Shop) -> str:
    """Return the active color, by the status."""
    return str(shop.require("bookstores", "demo")["status"]["active"]["color"])


def other(color: str) -> str:
    return "green" if color == "blue" else "blue"


def test_a_bookstore_becomes_ready_with_all_that_belongs_to_it(operated: Shop) -> None:
    operated.apply(replicas=2, backup=BACKUP)
    store = operated.ready()
    assert holds(store, "Available")
    assert holds(store, "DatabaseMigrated")
    assert not holds(store, "Reconciling")
    assert not holds(store, "Stalled")
    assert operated.serving() == image("1")
    assert store["status"]["readyReplicas"] == 2
    missing = {kind for kind in OWNED if not operated.list(kind)}
    assert missing == {"autoscaling/v2/horizontalpodautoscalers"}
    assert result(operated, "demo-r1") in {"Promoted", "Succeeded"}
    assert "finalizers" not in store["metadata"], "deleting works with the operator down"
    assert "kopf" not in operated.kubectl("get", "all,bs,bookstorereleases", "-o", "yaml")
    assert image("1") in operated.kubectl("get", "bs", "demo")


def test_a_new_image_goes_live_through_the_idle_color(operated: Shop) -> None:
    operated.apply(replicas=2)
    operated.ready()
    before = color_of(operated)
    operated.apply(replicas=2, image=image("2"))
    store = operated.ready(image=image("2"))
    assert store["status"]["active"]["color"] == other(before)
    assert operated.serving() == image("2")
    assert operated.replicas(f"demo-{other(before)}") == 2
    wait_for(lambda: not operated.replicas(f"demo-{before}"), 30, "the old color to be scaled down")
    wait_for(lambda: result(operated, "demo-r2") == "Succeeded", 30, "the release to end")


def test_a_failed_migration_does_not_change_the_active_color(operated: Shop) -> None:
    operated.apply(replicas=2, migration={"attempts": 1})
    operated.ready()
    deployment = ("apps/v1/deployments", f"demo-{color_of(operated)}")
    before = operated.require(*deployment)["metadata"]["generation"]
    operated.apply(replicas=2, migration={"attempts": 1}, image=image("2-job-fail"))
    wait_for(lambda: result(operated, "demo-r2") == "Failed", 30, "the release to fail")
    operated.reports("Ready", "MigrationFailed", "0002_boom")
    assert holds(operated.store(), "Available")
    assert operated.serving() == image("1")
    assert operated.require(*deployment)["metadata"]["generation"] == before

    operated.apply(replicas=2, migration={"attempts": 1}, image=image("3"))
    operated.ready(image=image("3"))


def test_a_color_that_never_gets_ready_fails_and_the_active_one_serves_on(operated: Shop) -> None:
    rollout = {**QUICK, "progressDeadlineSeconds": 4}
    operated.apply(replicas=2, rollout=rollout)
    operated.ready()
    operated.apply(replicas=2, rollout=rollout, image=image("2-pod-unready"))
    wait_for(lambda: result(operated, "demo-r2") == "Failed", 40, "the release to fail")
    assert operated.serving() == image("1")
    assert holds(operated.store(), "Available")
    operated.apply(replicas=2, rollout=rollout, image=image("3"))
    operated.ready(image=image("3"))
    assert operated.serving() == image("3")


def test_a_scaled_bookstore_keeps_its_size_through_a_release(operated: Shop) -> None:
    operated.apply(replicas=2)
    operated.ready()
    operated.kubectl("scale", "bookstore", "demo", "--replicas=7")
    active = f"demo-{color_of(operated)}"
    wait_for(lambda: operated.replicas(active) == 7, 30, "7 replicas")
    operated.kubectl("patch", "bs", "demo", "--type=merge", f"-p={_image_patch('2')}")
    operated.ready(image=image("2"))
    assert operated.replicas(f"demo-{color_of(operated)}") == 7


def test_the_autoscalers_count_survives_a_release_and_a_repair(operated: Shop) -> None:
    autoscaling = {"minReplicas": 2, "maxReplicas": 10}
    operated.apply(autoscaling=autoscaling)
    operated.ready()
    operated.kubectl("scale", "deployment", f"demo-{color_of(operated)}", "--replicas=7")
    operated.apply(autoscaling=autoscaling, image=image("2"))
    operated.ready(image=image("2"))
    active = f"demo-{color_of(operated)}"
    assert operated.replicas(active) == 7
    scaler = operated.list("autoscaling/v2/horizontalpodautoscalers")[0]
    assert scaler["spec"]["scaleTargetRef"]["name"] == active

    def grace() -> Any:
        pod = operated.require("apps/v1/deployments", active)["spec"]["template"]["spec"]
        return pod.get("terminationGracePeriodSeconds")

    before = grace()
    patch = '{"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}}'
    operated.kubectl("patch", "deployment", active, "--type=merge", f"-p={patch}")
    wait_for(lambda: grace() == before, 20, "the edit by hand to be undone")
    assert operated.replicas(active) == 7


def test_a_service_edited_by_hand_is_repaired(operated: Shop) -> None:
    operated.apply(replicas=1)
    operated.ready()
    patch = '{"spec": {"selector": {"bookstore.dev/color": "green"}}}'
    operated.kubectl("patch", "service", "demo", "--type=merge", f"-p={patch}")

    def color() -> Any:
        service = operated.require("v1/services", "demo")
        return service["spec"]["selector"]["bookstore.dev/color"]

    wait_for(lambda: color() == "blue", 10, "the Service to select the active color again")


def _image_patch(tag: str) -> str:
    return f'{{"spec": {{"image": "{image(tag)}"}}}}'


def _left(shop: Shop) -> set[str]:
    kinds = ("v1/persistentvolumeclaims", "v1/secrets", "apps/v1/deployments", "v1/pods")
    return {kind for kind in kinds if shop.list(kind)}


@pytest.mark.parametrize("up", [True, False], ids=["operator-up", "operator-down"])
@pytest.mark.parametrize(
    ("policy", "left"),
    [("Delete", set()), ("Retain", {"v1/persistentvolumeclaims", "v1/secrets"})],
)
def test_deletion_deletes_or_keeps_the_data(
    operated: Shop, policy: str, left: set[str], up: bool
) -> None:
    operated.apply(replicas=1, backup=BACKUP, deletionPolicy=policy)
    operated.ready()
    if not up:
        operated.operator.stop()
    operated.kubectl("delete", "bookstore", "demo", "--timeout=30s")
    wait_for(lambda: _left(operated) == left, 40, f"only {left or 'nothing'} to be left")


def test_retained_data_is_used_again(operated: Shop) -> None:
    operated.apply(replicas=1, deletionPolicy="Retain")
    operated.ready()
    claim = operated.list("v1/persistentvolumeclaims")[0]
    secret = operated.require("v1/secrets", "demo-db")
    operated.kubectl("delete", "bookstore", "demo", "--timeout=30s")
    wait_for(lambda: not operated.list("v1/pods"), 40, "the Pods to be deleted")
    operated.apply(replicas=1, deletionPolicy="Delete")
    operated.ready()
    assert operated.require("v1/secrets", "demo-db")["data"] == secret["data"], (
        "the password fits the data"
    )
    claims = operated.list("v1/persistentvolumeclaims")
    assert [item["metadata"]["uid"] for item in claims] == [claim["metadata"]["uid"]]
    operated.kubectl("delete", "bookstore", "demo", "--timeout=30s")
    wait_for(lambda: _left(operated) == set(), 40, "everything to be deleted")
