"""What others do to the operator's objects: webhooks, node failures, and hands."""

import json
from datetime import timedelta
from typing import Any

import pytest

from bookstore_operator.core.plan import Delete
from tests.support.world import BACKED_UP, MIGRATED, Object, World

pytestmark = pytest.mark.scenario

TRUE, FALSE = "True", "False"
PROXY: Object = {"name": "istio-proxy", "image": "proxy:1", "ready": True}
RUNNING: Object = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}


@pytest.fixture
def world() -> World:
    """Return a BookStore that is ready at revision 1."""
    return World().settle()


def ended(code: int, message: Object) -> Object:
    at = "2026-01-01T00:00:00Z"
    return {"terminated": {"exitCode": code, "message": json.dumps(message), "finishedAt": at}}


def pod_of(world: World, job: str, status: Object, **metadata: Any) -> None:
    """Add the Pod of a Job."""
    owner = world.get("Job", job)
    labels = owner["spec"].get("template", {}).get("metadata", {}).get("labels", {})
    world.add(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"{job}-x",
                "uid": f"{job}-x",
                "labels": {**labels, "batch.kubernetes.io/job-name": job},
                "ownerReferences": [{"uid": owner["metadata"]["uid"]}],
                **metadata,
            },
            "spec": {"nodeName": "node-7"},
            "status": {"phase": "Running", **status},
        }
    )


def migrating(world: World) -> World:
    """Let the migration of api:2 run without an end."""
    world.migration = None
    world.change(image="api:2").run_until(lambda w: w.has("Job", "demo-r2-expand")).step()
    return world


# Extra containers ---------------------------------------------------------------------------------


def test_a_sidecar_does_not_keep_a_release_waiting_for_its_migration(world: World) -> None:
    migrating(world)
    migrate = {"name": "migrate", "ready": False, "state": ended(0, MIGRATED)}
    pod_of(world, "demo-r2-expand", {"containerStatuses": [{**PROXY, "state": RUNNING}, migrate]})
    world.done.clear()
    world.reconcile()
    assert world.release("demo-r2")["stage"] != "Expand"
    assert [a.key.name for a in world.done if isinstance(a, Delete)] == ["demo-r2-expand"]
    world.settle()
    assert world.condition("Ready") == (TRUE, "Serving")
    assert world.release("demo-r2")["lastAttempt"]["succeeded"]


def test_a_migration_that_fails_beside_a_sidecar_is_retried(world: World) -> None:
    migrating(world)
    failure = {"command": "migrate", "code": "failed", "message": "Column exists already."}
    quits = {**PROXY, "name": "a", "state": ended(0, {"message": "of another one"})}
    migrate = {"name": "migrate", "ready": False, "state": ended(1, failure)}
    others = [quits, {**PROXY, "state": RUNNING}]
    pod_of(world, "demo-r2-expand", {"containerStatuses": [*others, migrate]})
    world.reconcile()
    assert world.condition("Ready") == (FALSE, "MigrationRetry")
    assert "Column exists already" in world.message("Ready")
    world.migration = MIGRATED
    world.settle()
    assert world.switches == ["demo-r1", "demo-r2"]


def test_a_backup_beside_a_sidecar_has_succeeded_when_its_container_has(world: World) -> None:
    world.change(backup={"schedule": "@daily"}).settle()
    template = world.get("CronJob", "demo-backup")["spec"]["jobTemplate"]
    metadata = {"name": "demo-backup-1", "labels": template["metadata"]["labels"], "uid": "b1"}
    metadata |= {"creationTimestamp": "2026-01-01T00:00:00Z"}
    spec = template["spec"]
    world.add({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec})
    state = ended(0, BACKED_UP)
    dump = {"name": "backup", "ready": False, "state": state}
    pod_of(world, "demo-backup-1", {"containerStatuses": [{**PROXY, "state": RUNNING}, dump]})
    world.reconcile()
    assert world.store["status"]["lastBackupAt"] == "2026-01-01T00:00:00Z"
    world.settle()
    assert world.condition("BackupHealthy") == (TRUE, "BackedUp")


def test_a_failing_init_container_of_others_is_named(world: World) -> None:
    migrating(world)
    init = {
        **PROXY,
        "name": "istio-init",
        "ready": False,
        "state": ended(1, {"message": "iptables"}),
    }
    waits = {"name": "migrate", "state": {"waiting": {"reason": "PodInitializing"}}}
    status = {"phase": "Pending", "initContainerStatuses": [init], "containerStatuses": [waits]}
    pod_of(world, "demo-r2-expand", status)
    world.reconcile()
    assert world.condition("Ready") == (FALSE, "PodCrashing")
    assert "Container istio-init of Pod demo-r2-expand-x" in world.message("Ready")


def test_an_image_of_a_container_of_others_is_not_blamed_on_the_spec(world: World) -> None:
    migrating(world)
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "not found"}}
    status = {"containerStatuses": [{**PROXY, "ready": False, "state": waiting}]}
    pod_of(world, "demo-r2-expand", status)
    world.reconcile()
    assert "did not add container istio-proxy" in world.message("Ready")
    assert "spec.image" not in world.message("Ready")


# Terminating for ever -----------------------------------------------------------------------------


def test_a_migration_past_its_deadline_on_a_lost_node_does_not_block_the_next(world: World) -> None:
    """The Job controller waits for the Pod, which the kubelet of the lost node never ends."""
    migrating(world)
    pod_of(
        world,
        "demo-r2-expand",
        {"containerStatuses": [{"name": "migrate", "ready": True, "state": RUNNING}]},
        deletionTimestamp="2026-01-01T00:01:00Z",
    )
    world.wait(20 * 60)
    world.reconcile()
    assert world.condition("Ready") == (FALSE, "PodTerminating")
    assert "node-7 does not confirm" in world.message("Ready")
    late = {"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded"}
    at = world.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    world.get("Job", "demo-r2-expand")["status"] = {
        "conditions": [{**late, "lastTransitionTime": at}]
    }
    world.reconcile()
    assert world.condition("Ready") == (FALSE, "MigrationRetry")
    assert "did not complete within 600 s" in world.message("Ready")
    assert "Pod demo-r2-expand-x may still run on node node-7" in world.message("Ready")
    world.migration = MIGRATED
    world.change(image="api:3").settle()
    assert world.condition("Ready") == (TRUE, "Serving")


def test_a_retry_waits_for_the_grace_period_of_the_last_pod(world: World) -> None:
    migrating(world)
    late = {"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded"}
    world.get("Job", "demo-r2-expand")["status"] = {
        "conditions": [{**late, "lastTransitionTime": "2026-01-01T00:00:00Z"}]
    }
    until = "2026-01-01T02:00:00Z"
    pod_of(world, "demo-r2-expand", {}, deletionTimestamp=until)
    world.wait(3600).reconcile()
    assert world.condition("Ready") == (FALSE, "MigrationRetry")
    assert not world.has("Job", "demo-r2-expand-2")
    world.migration = MIGRATED
    world.settle()
    assert world.now.isoformat() >= "2026-01-01T02:00:00"
    assert world.switches == ["demo-r1", "demo-r2"]


def test_a_database_on_a_lost_node_is_named(world: World) -> None:
    world.database_up = False
    labels = world.get("StatefulSet", "demo-db")["spec"]["template"]["metadata"]["labels"]
    metadata = {"name": "demo-db-0", "labels": labels, "uid": "db"}
    metadata["deletionTimestamp"] = "2026-01-01T00:00:30Z"
    status = {"phase": "Running"}
    spec = {"nodeName": "node-7"}
    world.add(
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status, "spec": spec}
    )
    world.run_until(lambda w: w.condition("Ready") == (FALSE, "PodTerminating"))
    assert world.condition("Ready") == (FALSE, "PodTerminating")
    assert "kubectl delete pod demo-db-0 --force" in world.message("Ready")


# Hands --------------------------------------------------------------------------------------------


def test_a_suspended_migration_is_named(world: World) -> None:
    migrating(world)
    world.get("Job", "demo-r2-expand")["spec"]["suspend"] = True
    world.reconcile()
    assert world.condition("Stalled") == (TRUE, "MigrationSuspended")
    assert "kubectl patch job demo-r2-expand" in world.message("Ready")


@pytest.mark.parametrize("name", ["demo-blue", "demo-cache"])
def test_a_paused_deployment_is_resumed(name: str) -> None:
    """By kubectl rollout pause: no change of it would ever reach a Pod."""
    world = World(spec={"image": "api:1", "cache": {"embedded": {}}}).settle()
    world.get("Deployment", name)["spec"]["paused"] = True
    world.settle()
    assert world.get("Deployment", name)["spec"]["paused"] is False


def test_a_paused_deployment_does_not_fail_a_release(world: World) -> None:
    world.change(image="api:2").reach("Start")
    world.get("Deployment", "demo-green")["spec"]["paused"] = True
    world.settle()
    assert world.switches == ["demo-r1", "demo-r2"]


def test_a_database_scaled_to_zero_by_hand_comes_back(world: World) -> None:
    world.get("StatefulSet", "demo-db")["spec"]["replicas"] = 0
    world.settle()
    assert world.get("StatefulSet", "demo-db")["spec"]["replicas"] == 1


def test_an_autoscaler_that_was_told_not_to_scale_up_is_named() -> None:
    world = World(spec={"image": "api:1", "autoscaling": {"maxReplicas": 5}}).settle()
    scaler = world.get("HorizontalPodAutoscaler", "demo")
    scaler["status"] = {"conditions": [{"type": "ScalingActive", "status": "True"}]}
    scaler["spec"]["behavior"] = {"scaleUp": {"selectPolicy": "Disabled"}}
    world.reconcile()
    assert world.condition("AutoscalingHealthy") == ("Unknown", "Suspended")
    assert "kubectl edit hpa demo" in world.message("AutoscalingHealthy")


# Webhooks -----------------------------------------------------------------------------------------


def to_mirror(obj: Object) -> None:
    """Rewrite the images of Pods to a mirror, as a mutating webhook does."""
    pod = obj.get("spec", {}).get("template", {}).get("spec", {})
    for container in pod.get("containers", []):
        container["image"] = container["image"].replace("mirror/", "")
        container["image"] = f"mirror/{container['image']}"


def test_a_webhook_that_rewrites_images_is_tolerated_and_reported() -> None:
    world = World(webhook=to_mirror).settle()
    assert world.condition("Ready") == (TRUE, "Serving")
    message = "Deployment demo-blue: spec.template.spec.containers.api.image is mirror/api:1, not"
    assert message in world.message("Ready")
    world.change(image="api:2").settle()
    assert world.switches == ["demo-r1", "demo-r2"]
    assert world.condition("Reconciling") == (FALSE, "Settled")


def test_another_change_of_an_object_that_a_webhook_rewrites_is_repaired() -> None:
    world = World(webhook=to_mirror).settle()
    spec = world.get("Deployment", "demo-blue")["spec"]
    spec["template"]["spec"]["containers"][0]["args"] = ["sleep"]
    world.settle()
    spec = world.get("Deployment", "demo-blue")["spec"]
    assert spec["template"]["spec"]["containers"][0]["args"] == ["serve"]


def test_a_fight_over_the_new_color_ends_the_release_at_its_deadline(world: World) -> None:
    """Another program changes the Deployment after each write: it never runs as applied."""
    world.change(image="api:2").reach("Start")
    for round_ in range(5):
        world.get("Deployment", "demo-green")["spec"]["progressDeadlineSeconds"] = 1000 + round_
        world.wait(200).reconcile()
        world.tick()
    assert world.release("demo-r2")["result"] == "Failed"
    assert "Not available within 600 s" in world.release("demo-r2")["message"]
    assert "spec.progressDeadlineSeconds is 10" in world.release("demo-r2")["message"]
    assert world.condition("Available") == (TRUE, "Serving")


def test_a_webhook_that_changes_the_selector_of_the_service_stalls_the_switch() -> None:
    def select(obj: Object) -> None:
        if obj["kind"] == "Service" and obj["metadata"]["name"] == "demo":
            obj["spec"]["selector"]["mesh"] = "yes"

    world = World(webhook=select)
    world.run_until(lambda w: w.condition("Stalled") == (TRUE, "Switching"), rounds=100)
    assert "Service demo: spec.selector also has mesh" in world.message("Ready")


# Records, labels and slices of others ----------------------------------------------------------


def test_a_job_that_lost_its_labels_is_still_the_migration(world: World) -> None:
    migrating(world)
    job = world.get("Job", "demo-r2-expand")
    job["metadata"]["labels"] = {"bookstore.dev/store": "demo", "bookstore.dev/attempt": "x"}
    world.wait(60).steps(5)
    expands = [job["metadata"]["name"] for job in world.all("Job") if "r2-expand" in str(job)]
    assert expands == ["demo-r2-expand"]
    assert world.release("demo-r2")["attempts"] == 1
    assert world.condition("Ready") == ("False", "Migrating")


def test_slices_of_another_controller_are_read_without_uids(world: World) -> None:
    """A mirror of another cluster's Service names its Pods as it likes."""
    endpoint: Object = {"addresses": ["10.9.9.9"], "targetRef": {"kind": "Pod", "name": "far"}}
    labels = {"bookstore.dev/store": "demo", "kubernetes.io/service-name": "demo"}
    mirror: Object = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "demo-mirror", "uid": "mirror", "labels": labels},
        "endpoints": [endpoint, {"addresses": ["10.9.9.8"]}, {"targetRef": None}],
    }
    world.add(mirror)
    world.change(image="api:2").steps(30)
    assert world.release("demo-r2")["result"] == "Promoted"
    assert "EndpointSlice demo-mirror" in world.message("Ready")
    del world.objects[next(key for key in world.objects if key.name == "demo-mirror")]
    world.settle()
    assert world.release("demo-r2")["result"] == "Succeeded"


def test_a_record_that_says_that_nobody_serves_is_released_again(world: World) -> None:
    world.release("demo-r1")["demotedAt"] = "2026-01-01T00:00:00Z"
    world.settle()
    assert world.condition("Ready") == ("True", "Serving")
    assert world.store["status"]["active"]["release"] == "demo-r1-a2"


def test_a_release_that_a_finalizer_keeps_is_deleted_once() -> None:
    world = World(spec={"image": "api:1", "rollout": {"historyLimit": 2}}).settle()
    for number in range(2, 5):
        world.change(image=f"api:{number}").settle()
    at = "2026-01-01T00:00:00Z"
    world.get("BookStoreRelease", "demo-r2")["metadata"]["deletionTimestamp"] = at
    world.change(image="api:5").settle()
    world.change(image="api:6").settle()
    deleted = [action.key.name for action in world.done if isinstance(action, Delete)]
    assert "demo-r2" not in deleted
    assert {"demo-r1", "demo-r3"} <= {*deleted}


@pytest.mark.parametrize(("kind", "name"), [("Deployment", "demo-blue"), ("Service", "demo")])
def test_an_object_that_a_finalizer_keeps_is_named(world: World, kind: str, name: str) -> None:
    metadata = world.get(kind, name)["metadata"]
    metadata |= {"deletionTimestamp": f"{world.now:%Y-%m-%dT%H:%M:%SZ}", "finalizers": ["x/y"]}
    plan = world.reconcile()
    assert world.condition("Ready") == (TRUE, "Serving"), "it may be gone in a moment"
    assert plan.requeue_after == timedelta(minutes=1)
    world.wait(61).steps(2)
    assert world.condition("Stalled") == (TRUE, "ObjectTerminating")
    assert f"{kind} {name}" in world.message("Ready")
    assert "finalizer x/y keeps it" in world.message("Ready")
    assert world.condition("Available") == (TRUE, "Serving")
    del metadata["deletionTimestamp"], metadata["finalizers"]
    world.settle()
    assert world.condition("Ready") == (TRUE, "Serving")


def test_a_migration_without_parallelism_is_named(world: World) -> None:
    migrating(world)
    world.get("Job", "demo-r2-expand")["spec"]["parallelism"] = 0
    world.steps(2)
    assert world.condition("Stalled") == (TRUE, "MigrationSuspended")
    assert '{"parallelism":1}' in world.message("Ready")


@pytest.mark.parametrize(
    "strategy",
    [{"type": "OnDelete"}, {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}],
)
def test_a_statefulset_that_would_not_roll_out_is_set_right(world: World, strategy: Object) -> None:
    world.get("StatefulSet", "demo-db")["spec"]["updateStrategy"] = strategy
    world.settle()
    found = world.get("StatefulSet", "demo-db")["spec"]["updateStrategy"]
    assert found == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}


def test_a_service_that_lists_unready_pods_is_set_right(world: World) -> None:
    world.get("Service", "demo")["spec"]["publishNotReadyAddresses"] = True
    world.settle()
    assert not world.get("Service", "demo")["spec"]["publishNotReadyAddresses"]
