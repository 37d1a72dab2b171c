"""Every Pod of a BookStore: what the spec sets in it, and what keeps it from starting."""

from typing import Any

import pytest

from bookstore_operator.core.drift import differs
from bookstore_operator.core.kinds import CLAIMS, CRON_JOBS, JOBS
from bookstore_operator.core.plan import Delete
from bookstore_operator.workloads.advice import (
    claim_advice,
    claim_name,
    creation_advice,
    scheduling_advice,
    storage_field,
)
from tests.support.cases.failures import unscheduled, waiting
from tests.support.world import Object, World

pytestmark = pytest.mark.scenario

PLACEMENT: dict[str, Any] = {
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "shop", "operator": "Exists", "effect": "NoSchedule"}],
    "priorityClassName": "high",
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
                ]
            }
        },
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {
                    "weight": 50,
                    "podAffinityTerm": {
                        "labelSelector": {"matchLabels": {"noisy": "yes"}},
                        "topologyKey": "kubernetes.io/hostname",
                    },
                }
            ]
        },
    },
}


def amounts(cpu: str) -> Object:
    return {"requests": {"cpu": cpu}, "limits": {"cpu": cpu, "ephemeral-storage": "1Gi"}}


SPEC: dict[str, Any] = {
    "image": "api:1",
    "imagePullSecrets": [{"name": "registry"}],
    "scheduling": PLACEMENT,
    "podMetadata": {
        "labels": {"team": "books"},
        "annotations": {"sidecar.istio.io/inject": "false"},
    },
    "serviceAccountName": "books-in-the-cloud",
    "resources": amounts("1"),
    "migration": {"resources": amounts("2")},
    "database": {"embedded": {"resources": amounts("3")}},
    "cache": {"embedded": {"resources": {"limits": {"cpu": "4", "memory": "64Mi"}}}},
    "backup": {"schedule": "@daily", "resources": amounts("5")},
    "env": [
        {"name": "MOOD", "value": "costs $(5)"},
        {"name": "KEY", "secretKeyRef": {"name": "own", "key": "key"}},
        {"name": "FLAG", "configMapKeyRef": {"name": "flags", "key": "flag"}},
    ],
    "secretMounts": [{"secretName": "own.ca", "mountPath": "/etc/own"}],
}


def templates(world: World) -> dict[str, Object]:
    """Return the template of each component's Pods."""
    job = world.get("Job", "demo-r1-expand")
    cron_job = world.get("CronJob", "demo-backup")
    return {
        "api": world.get("Deployment", "demo-blue")["spec"]["template"],
        "migration": job["spec"]["template"],
        "database": world.get("StatefulSet", "demo-db")["spec"]["template"],
        "cache": world.get("Deployment", "demo-cache")["spec"]["template"],
        "backup": cron_job["spec"]["jobTemplate"]["spec"]["template"],
    }


@pytest.fixture(scope="module")
def world() -> World:
    return World(spec=SPEC).settle()


@pytest.mark.parametrize("component", ["api", "migration", "database", "cache", "backup"])
def test_every_pod_gets_scheduling_pull_secrets_labels_and_annotations(
    world: World, component: str
) -> None:
    template = templates(world)[component]
    pod = template["spec"]
    assert differs(PLACEMENT | {"affinity": {}}, pod) is None
    assert differs(PLACEMENT["affinity"]["nodeAffinity"], pod["affinity"]["nodeAffinity"]) is None
    preferred = "preferredDuringSchedulingIgnoredDuringExecution"
    own = PLACEMENT["affinity"]["podAntiAffinity"][preferred]
    terms = pod["affinity"]["podAntiAffinity"][preferred]
    assert [term for term in own if term in terms] == own
    assert len(terms) == len(own) + (component in {"api", "migration"}), "and zones for the API"
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert template["metadata"]["labels"]["team"] == "books"
    assert template["metadata"]["annotations"]["sidecar.istio.io/inject"] == "false"


def test_only_pods_that_use_the_cloud_get_the_service_account_and_none_gets_a_token(
    world: World,
) -> None:
    pods = {name: template["spec"] for name, template in templates(world).items()}
    named = {name for name, pod in pods.items() if "serviceAccountName" in pod}
    assert named == {"api", "migration", "backup"}
    for name in named:
        fields = (pods[name]["serviceAccountName"], pods[name]["serviceAccount"])
        assert fields == ("books-in-the-cloud",) * 2
    assert not any(pod["automountServiceAccountToken"] for pod in pods.values())


def test_the_resources_of_each_component_can_be_set(world: World) -> None:
    limits = {
        name: template["spec"]["containers"][0]["resources"]["limits"]
        for name, template in templates(world).items()
    }
    assert {name: amount["cpu"] for name, amount in limits.items()} == {
        "api": "1",
        "migration": "2",
        "database": "3",
        "cache": "4",
        "backup": "5",
    }
    assert limits["backup"]["ephemeral-storage"] == "1Gi"


@pytest.mark.parametrize("component", ["api", "migration"])
def test_the_image_gets_its_own_environment_and_secrets(world: World, component: str) -> None:
    pod = templates(world)[component]["spec"]
    container = pod["containers"][0]
    variables = {variable["name"]: variable for variable in container["env"]}
    assert variables["MOOD"]["value"] == "costs $$(5)", "the kubelet replaces $$ by $"
    assert variables["KEY"]["valueFrom"] == {"secretKeyRef": {"name": "own", "key": "key"}}
    assert variables["FLAG"]["valueFrom"] == {"configMapKeyRef": {"name": "flags", "key": "flag"}}
    (mount,) = (item for item in container["volumeMounts"] if item["mountPath"] == "/etc/own")
    (volume,) = (item for item in pod["volumes"] if item["name"] == mount["name"])
    assert volume["secret"]["secretName"] == "own.ca"


def test_a_release_starts_for_a_change_that_reaches_its_pods() -> None:
    world = World(spec=SPEC).settle().change(podMetadata={"labels": {"team": "music"}}).settle()
    green = world.get("Deployment", "demo-green")["spec"]["template"]
    assert green["metadata"]["labels"]["team"] == "music"
    assert world.condition("Ready") == ("True", "Serving")


# What keeps Pods from starting -------------------------------------------------------------------


def backup_job(world: World, name: str = "demo-backup-1") -> Object:
    """Return a new Job of the backup CronJob, as its controller creates it."""
    template = world.get("CronJob", "demo-backup")["spec"]["jobTemplate"]
    metadata = {
        **template["metadata"],
        "name": name,
        "uid": f"uid-of-{name}",
        "creationTimestamp": world.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return {**JOBS.type_meta, "metadata": metadata, "spec": template["spec"], "status": {}}


def pod_of(job: Object, status: Object) -> Object:
    labels = {
        **job["spec"]["template"]["metadata"]["labels"],
        "batch.kubernetes.io/job-name": job["metadata"]["name"],
    }
    owner = {"uid": job["metadata"]["uid"], "kind": "Job", "name": job["metadata"]["name"]}
    metadata = {"name": f"{job['metadata']['name']}-x", "labels": labels, "uid": "uid-of-pod"}
    metadata["ownerReferences"] = [{**owner, "controller": True}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status}


def backed_up() -> World:
    return World(spec={"image": "api:1", "backup": {"schedule": "17 3 * * *"}}).settle()


def test_a_backup_whose_pods_a_quota_rejects_is_reported_with_the_field_that_helps() -> None:
    world = backed_up()
    world.add(backup_job(world))
    cause = (
        'Error creating: pods "demo-backup-1-x7" is forbidden: failed quota: few: must specify '
        "limits.cpu for: backup; requests.cpu for: backup"
    )
    world.warned[JOBS.ref("demo-backup-1")] = cause
    world.wait(5).reconcile()
    assert world.condition("BackupHealthy") == ("False", "PodCreationForbidden")
    message = world.message("BackupHealthy")
    assert "Job demo-backup-1 can't create Pods: failed quota: few" in message
    assert "Set spec.backup.resources.limits.cpu and spec.backup.resources.requests.cpu" in message
    assert world.condition("Ready") == ("True", "Serving")


def test_a_backup_pod_that_no_node_tolerates_is_reported_with_the_field_that_helps() -> None:
    world = backed_up()
    job = backup_job(world)
    status = unscheduled("0/3 nodes are available: 3 node(s) had untolerated taint {shop: }.")
    world.add(job, pod_of(job, status))
    world.reconcile()
    assert world.condition("BackupHealthy") == ("False", "PodUnschedulable")
    assert "spec.scheduling.tolerations" in world.message("BackupHealthy")


def test_a_backup_pod_without_its_volume_names_the_claim_of_the_backups() -> None:
    world = backed_up()
    job = backup_job(world)
    world.add(job, pod_of(job, unscheduled("pod has unbound immediate PersistentVolumeClaims.")))
    world.reconcile()
    assert "kubectl describe pvc demo-backup." in world.message("BackupHealthy")


def test_a_cron_job_that_can_not_create_jobs_is_reported_before_the_backup_is_overdue() -> None:
    world = backed_up()
    world.warned[CRON_JOBS.ref("demo-backup")] = (
        'Error creating job: jobs.batch "demo-backup-2" is forbidden: exceeded quota: few'
    )
    world.reconcile()
    assert world.condition("BackupHealthy") == ("Unknown", "NoBackupYet"), "it is not due yet"
    world.wait(3 * 3600 + 18 * 60).reconcile()
    assert world.condition("BackupHealthy") == ("False", "PodCreationForbidden")
    assert "CronJob demo-backup can't create Jobs" in world.message("BackupHealthy")


def test_a_missing_secret_of_spec_env_is_reported_with_the_field() -> None:
    variable = {"name": "KEY", "secretKeyRef": {"name": "own", "key": "key"}}
    world = World(spec={"image": "api:1", "env": [variable]})
    world.ailing["Deployment/api:1"] = waiting(
        "CreateContainerConfigError", 'secret "own" not found'
    )
    world.run_until(lambda w: w.condition("Ready") == ("False", "PodNotStarting"))
    assert 'secret "own" not found. Create it, or correct spec.env.' in world.message("Ready")


@pytest.mark.parametrize(
    ("component", "cause", "words"),
    [
        ("database", "0/1 nodes are available: 1 Insufficient memory.", "spec.database.embedded.r"),
        ("cache", "1 node(s) had untolerated taint {a: b}.", "spec.scheduling.tolerations"),
        ("api", "didn't match Pod's node affinity/selector.", "spec.scheduling.nodeSelector"),
        ("api", "didn't match pod anti-affinity rules.", "spec.scheduling.affinity"),
        ("backup", 'persistentvolumeclaim "demo-backup" not found.', "pvc demo-backup."),
        ("database", "1 node(s) had volume node affinity conflict.", "where its volume is"),
        ("migration", "something new.", "spec.migration.resources and spec.scheduling"),
    ],
)
def test_a_pod_that_is_not_scheduled_names_the_field_that_helps(
    component: str, cause: str, words: str
) -> None:
    pod = {"metadata": {"labels": {"app.kubernetes.io/component": component}}}
    assert words in scheduling_advice(claim_name("demo", pod), component, cause)


def test_a_pod_that_mounts_another_claim_names_that_one() -> None:
    volume = {"name": "backup", "persistentVolumeClaim": {"claimName": "former-backup"}}
    labels = {"app.kubernetes.io/component": "restore"}
    pod = {"metadata": {"labels": labels}, "spec": {"volumes": [{"name": "tmp"}, volume]}}
    assert claim_name("demo", pod) == "former-backup"


@pytest.mark.parametrize(
    ("component", "cause", "words"),
    [
        (
            "api",
            "exceeded quota: few, requested: limits.cpu=1",
            "or request less in spec.resources",
        ),
        (
            "migration",
            "failed quota: few: must specify limits.memory for: migrate",
            "Set spec.migration.resources.limits.memory.",
        ),
        (
            "database",
            "failed quota: few: must specify cpu,limits.ephemeral-storage",
            "Set spec.database.embedded.resources.requests.cpu and "
            "spec.database.embedded.resources.limits.ephemeral-storage.",
        ),
        (
            "cache",
            "maximum memory usage per Container is 64Mi, but limit is 128Mi",
            "Correct spec.cache.embedded.resources, or the namespace's LimitRange.",
        ),
        (
            "database",
            'failed to create PVC data-demo-db-0: persistentvolumeclaims "data-demo-db-0" is '
            "forbidden: minimum storage usage per PersistentVolumeClaim is 5Gi, but request is 1Gi",
            "Correct spec.database.embedded.storage, or the namespace's LimitRange.",
        ),
        (
            "database",
            'persistentvolumeclaims "data-demo-db-0" is forbidden: exceeded quota: few, requested: '
            "requests.storage=1Gi",
            "or request less in spec.database.embedded.storage",
        ),
        ("api", "no PriorityClass with name high was found", "spec.scheduling.priorityClassName"),
        (
            "backup",
            'pods "demo-backup-1-" is forbidden: error looking up service account shop/cloud: '
            'serviceaccount "cloud" not found',
            "Create the ServiceAccount, or correct spec.serviceAccountName.",
        ),
        ("api", 'violates PodSecurity "x:1"', "Change the namespace's policies"),
    ],
)
def test_a_pod_that_is_not_admitted_names_the_field_that_helps(
    component: str, cause: str, words: str
) -> None:
    assert words in creation_advice(component, cause)


# A mistake that is taken back --------------------------------------------------------------------

CRASHED = waiting("CrashLoopBackOff", ended="FATAL: out of memory")
UNREADY: Object = {
    "phase": "Running",
    "containerStatuses": [
        {"name": "postgres", "ready": False, "restartCount": 0, "state": {"running": {}}}
    ],
}
RESTARTED: Object = {
    **UNREADY,
    "containerStatuses": [
        {"name": "postgres", "ready": False, "restartCount": 3, "state": {"running": {}}}
    ],
}
READY: Object = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
NO_NODE = unscheduled("0/1 nodes are available: 1 Insufficient memory.")


def with_old_database_pod(status: Object, revision: str = "old", **state: Any) -> World:
    """Return a BookStore whose StatefulSet has a newer revision than its Pod."""
    world = World(spec={"image": "api:1"}).settle()
    server = world.get("StatefulSet", "demo-db")
    generation = server["metadata"]["generation"]
    server["status"] = {"updateRevision": "new", "observedGeneration": generation, **state}
    metadata = {
        "name": "demo-db-0",
        "uid": "uid-of-db-0",
        "resourceVersion": "77",
        "labels": {
            **server["spec"]["template"]["metadata"]["labels"],
            "controller-revision-hash": revision,
        },
        "ownerReferences": [{"uid": server["metadata"]["uid"], "kind": "StatefulSet"}],
    }
    world.add({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status})
    return world


def deleted(world: World, kind: str) -> list[str]:
    actions = world.reconcile().actions
    return [a.key.name for a in actions if isinstance(a, Delete) and a.key.kind == kind]


@pytest.mark.parametrize("status", [NO_NODE, CRASHED, RESTARTED], ids=["pending", "crash", "again"])
def test_a_database_pod_of_an_old_revision_that_can_not_get_ready_is_deleted(
    status: Object,
) -> None:
    world = with_old_database_pod(status)
    (delete,) = (a for a in world.reconcile().actions if isinstance(a, Delete))
    assert (delete.key.name, delete.uid) == ("demo-db-0", "uid-of-db-0")
    assert delete.resource_version == "77", "not if it has become ready meanwhile"
    assert delete.irreversible, "the BookStore is read live before"


@pytest.mark.parametrize(
    "world",
    [
        with_old_database_pod(READY),
        with_old_database_pod(UNREADY),
        with_old_database_pod(NO_NODE, revision="new"),
        with_old_database_pod(NO_NODE, observedGeneration=0),
    ],
    ids=["ready", "starting", "current", "not-observed-yet"],
)
def test_a_database_pod_is_left_alone(world: World) -> None:
    assert deleted(world, "Pod") == []


def test_a_backup_that_can_not_start_is_replaced_once_the_spec_is_corrected() -> None:
    world = backed_up()
    job = backup_job(world)
    world.add(job, pod_of(job, NO_NODE))
    assert deleted(world, "Job") == [], "nothing has changed yet"
    world.change(backup={"schedule": "17 3 * * *", "resources": {"requests": {"cpu": "1m"}}})
    assert deleted(world, "Job") == ["demo-backup-1"]
    (again,) = (j for j in world.all("Job") if j["metadata"]["name"].startswith("demo-backup"))
    (container,) = again["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["requests"] == {"cpu": "1m"}
    assert again["metadata"]["ownerReferences"][0]["kind"] == "CronJob"
    assert deleted(world, "Job") == []


def test_a_backup_that_runs_is_not_replaced() -> None:
    world = backed_up()
    job = backup_job(world)
    world.add(job, pod_of(job, UNREADY))
    world.change(backup={"schedule": "17 3 * * *", "keep": 3})
    assert deleted(world, "Job") == []


@pytest.mark.parametrize(
    ("component", "spec", "phase", "words"),
    [
        (
            "database",
            {"storageClassName": "nope"},
            "Pending",
            'StorageClass nope: "nope" not found',
        ),
        (
            "database",
            {"storageClassName": "nope"},
            "Pending",
            "spec.database.embedded.storage.stor",
        ),
        ("backup", {"storageClassName": "nope"}, "Pending", "correct spec.backup.storage.storage"),
        ("database", {}, "Pending", "the cluster no default one: set spec.database.embedded.stor"),
        ("database", {"volumeName": "pv-1"}, "Lost", "has lost its volume pv-1, and the data on"),
    ],
)
def test_a_claim_that_is_not_bound_is_explained(
    component: str, spec: dict[str, Any], phase: str, words: str
) -> None:
    field = storage_field(World().snapshot().store.spec, component)
    claim = {"metadata": {"name": "data"}, "spec": spec, "status": {"phase": phase}}
    assert words in claim_advice(claim, field, '"nope" not found')
    assert claim_advice({**claim, "status": {"phase": "Bound"}}, field, "") == ""


def test_a_storage_class_that_does_not_exist_is_named_with_the_field() -> None:
    storage = {"storageClassName": "nope"}
    world = World(spec={"image": "api:1", "database": {"embedded": {"storage": storage}}})
    claim = CLAIMS.ref("data-demo-db-0")
    world.warned[claim] = 'storageclass.storage.k8s.io "nope" not found'
    world.ailing["StatefulSet/db"] = unscheduled("pod has unbound PersistentVolumeClaims.")
    world.run_until(lambda w: claim in w.objects)
    world.get("PersistentVolumeClaim", claim.name)["status"] = {"phase": "Pending"}
    world.run_until(lambda w: w.condition("Ready") == ("False", "PodUnschedulable"))
    assert 'StorageClass nope: storageclass.storage.k8s.io "nope" not found.' in world.message(
        "Ready"
    )
    assert "correct spec.database.embedded.storage.storageClassName" in world.message("Ready")


def test_an_image_for_other_processors_is_named_as_such() -> None:
    world = World()
    ended = "exec /usr/local/bin/bookstore-api: exec format error"
    world.ailing["Job/api:1"] = waiting("CrashLoopBackOff", ended=ended)
    world.run_until(lambda w: w.condition("Ready") == ("False", "PodCrashing"))
    assert "exec format error. The image is for other processors" in world.message("Ready")
    assert "spec.scheduling.nodeSelector" in world.message("Ready")


def test_an_image_without_the_platform_of_the_node_is_named_as_such() -> None:
    world = World()
    cause = "failed to pull: no match for platform in manifest: not found"
    world.ailing["Job/api:1"] = waiting("ErrImagePull", cause)
    world.run_until(lambda w: w.condition("Ready") == ("False", "ImagePullFailed"))
    assert "Build it for the node's platform, too, or choose other nodes" in world.message("Ready")
