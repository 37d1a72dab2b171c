"""What others change: repaired where it is the operator's, left alone where it is not."""

import json
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from tests.cluster.conftest import Shop, image
from tests.support.kube import wait_for

pytestmark = pytest.mark.cluster

REPAIR_SECONDS = 10.0
AUTOSCALED: dict[str, Any] = {
    "ingress": {"host": "books.example"},
    "autoscaling": {"minReplicas": 1, "maxReplicas": 4},
    "backup": {"schedule": "0 3 1 1 *"},
}


@dataclass(frozen=True)
class Drift:
    """A change by hand to an object that the operator owns."""

    plural: str
    name: str
    patch: dict[str, Any] | None
    """A merge patch, or None: the object is deleted."""

    def __str__(self) -> str:
        what = "deleted" if self.patch is None else json.dumps(self.patch)
        return f"{self.plural.rpartition('/')[2]}/{self.name} {what}"


UNLABELLED = {"metadata": {"labels": {"bookstore.dev/store": None}}}
DEPLOYMENT, SERVICE = ("apps/v1/deployments", "demo-blue"), ("v1/services", "demo")
PARTITIONED = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
AUTOSCALER = ("autoscaling/v2/horizontalpodautoscalers", "demo")
BUDGET = ("policy/v1/poddisruptionbudgets", "demo")
POLICY = ("networking.k8s.io/v1/networkpolicies", "demo-api")
INGRESS = ("networking.k8s.io/v1/ingresses", "demo")
DATABASE = ("apps/v1/statefulsets", "demo-db")
BACKUP = ("batch/v1/cronjobs", "demo-backup")
CLAIM = ("v1/persistentvolumeclaims", "demo-backup")

OTHER_TARGET = {"name": "postgres", "port": 5432, "protocol": "TCP", "targetPort": 1}

DRIFTS = [
    Drift(*DEPLOYMENT, {"spec": {"progressDeadlineSeconds": 7}}),
    Drift(*DEPLOYMENT, {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}}),
    Drift(*DEPLOYMENT, {"metadata": {"labels": {"app.kubernetes.io/name": "other"}}}),
    Drift(*DEPLOYMENT, None),
    Drift(*SERVICE, {"spec": {"selector": {"bookstore.dev/color": "green"}}}),
    Drift(*SERVICE, {"spec": {"selector": {"somebody": "else"}}}),
    Drift(*SERVICE, {"spec": {"publishNotReadyAddresses": True}}),
    Drift(*SERVICE, None),
    Drift(*AUTOSCALER, {"spec": {"maxReplicas": 9}}),
    Drift(*AUTOSCALER, None),
    Drift(*BUDGET, {"spec": {"maxUnavailable": 3}}),
    Drift(*BUDGET, None),
    Drift(*POLICY, {"spec": {"ingress": []}}),
    Drift(*POLICY, None),
    Drift("networking.k8s.io/v1/networkpolicies", "demo-db", None),
    Drift(*INGRESS, {"spec": {"rules": [{"host": "other.example"}]}}),
    Drift(*INGRESS, None),
    Drift("v1/services", "demo-db", {"spec": {"ports": [OTHER_TARGET]}}),
    Drift("v1/services", "demo-db", None),
    Drift(*DATABASE, {"metadata": {"labels": {"app.kubernetes.io/component": None}}}),
    Drift(*DATABASE, {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}}),
    Drift(*DATABASE, {"spec": {"updateStrategy": {"type": "OnDelete", "rollingUpdate": None}}}),
    Drift(*DATABASE, {"spec": {"updateStrategy": PARTITIONED}}),
    Drift(*BACKUP, {"spec": {"schedule": "* * * * *"}}),
    Drift(*BACKUP, {"spec": {"suspend": True}}),
    Drift(*BACKUP, None),
    Drift(*CLAIM, {"metadata": {"labels": {"app.kubernetes.io/component": "other"}}}),
    *(
        Drift(*owned, UNLABELLED)
        for owned in (DEPLOYMENT, SERVICE, DATABASE, BACKUP, CLAIM, POLICY)
    ),
    Drift("bookstorereleases", "demo-r1", UNLABELLED),
    Drift(*DATABASE, None),  # last: the CronJob has the identity of the database
]


def at_rest(shop: Shop, plural: str, name: str) -> dict[str, Any] | None:
    """Return the fields of an object that the operator decides; None if it is deleted."""
    manifest = shop.get(plural, name)
    if manifest is None or manifest["metadata"].get("deletionTimestamp"):
        return None
    spec = {key: value for key, value in manifest["spec"].items() if key not in ASSIGNED}
    return {"spec": spec, "labels": manifest["metadata"].get("labels")}


MIGRATIONS = "bookstore.dev/store,app.kubernetes.io/component=migration"

ASSIGNED = {"clusterIP", "clusterIPs", "replicas"}


def test_drift_of_any_owned_object_is_repaired_soon(operated: Shop) -> None:
    operated.apply(**AUTOSCALED)
    operated.ready()
    worst = 0.0
    for drift in DRIFTS:
        before = at_rest(operated, drift.plural, drift.name)
        assert before, f"there is no {drift}"
        began = time.monotonic()
        change(operated, drift)
        wait_for(
            partial(is_repaired, operated, drift, before),
            REPAIR_SECONDS,
            f"{drift} to be repaired: {before}",
        )
        took = time.monotonic() - began
        worst = max(worst, took)
        print(f"{took:5.1f} s  {drift}")
    # With deletionPolicy Delete, the StatefulSet took its volume along.
    wait_for(
        lambda: len(operated.list("batch/v1/jobs", MIGRATIONS)) == 2,
        30,
        "the new database to be migrated",
    )
    operated.ready()
    assert len(operated.list("bookstorereleases")) == 1, "no repair is a release"
    assert len(operated.list("batch/v1/jobs", MIGRATIONS)) == 2, "and no other one migrates"


def change(shop: Shop, drift: Drift) -> None:
    target = (drift.plural.rpartition("/")[2], drift.name)
    if drift.patch is None:
        shop.kubectl("delete", *target, "--wait=false")
    else:
        shop.kubectl("patch", *target, "--type=merge", "-p", json.dumps(drift.patch))


def is_repaired(shop: Shop, drift: Drift, before: dict[str, Any]) -> bool:
    return at_rest(shop, drift.plural, drift.name) == before


def test_a_job_deleted_while_it_runs_is_recreated(operated: Shop) -> None:
    """After 10 s: a policy that deletes all Jobs must not cause a Job a second."""
    operated.apply(replicas=1)
    operated.ready()
    operated.apply(replicas=1, image=image("2-job-slow"))
    job = "demo-r2-expand"
    wait_for(lambda: operated.get("batch/v1/jobs", job), 20, "the migration to run")
    operated.kubectl("delete", "job", job, "--wait=false")
    again = f"{job}-2"
    wait_for(lambda: operated.get("batch/v1/jobs", again), 30, "it to run again")
    operated.ready(image=image("2-job-slow"))
    assert len(operated.list("bookstorereleases")) == 2


def test_fields_of_others_are_not_changed(operated: Shop) -> None:
    """The autoscaler's replicas; labels, annotations and fields of other managers."""
    operated.apply(**AUTOSCALED)
    operated.ready()
    extra = {"metadata": {"annotations": {"else/a": "1"}, "labels": {"else/l": "2"}}}
    for plural, name in (DEPLOYMENT, SERVICE, AUTOSCALER, BUDGET, POLICY, DATABASE, BACKUP, CLAIM):
        change(operated, Drift(plural, name, extra))
    change(operated, Drift(*SERVICE, {"spec": {"sessionAffinity": "ClientIP"}}))
    operated.kubectl("scale", "deployment", "demo-blue", "--replicas=3")
    wait_for(
        lambda: ((operated.store() or {}).get("status") or {}).get("readyReplicas") == 3,
        20,
        "the third Pod to be reported",
    )
    assert operated.replicas("demo-blue") == 3

    # A repair of each of them shows that none of it is taken away by the way.
    for drift in DRIFTS:
        if drift.patch is not None and drift.patch != UNLABELLED:
            change(operated, drift)
    wait_for(
        lambda: (
            (at_rest(operated, *AUTOSCALER) or {})["spec"]["maxReplicas"] == 4
            and (at_rest(operated, *SERVICE) or {})["spec"]["selector"].get("somebody") is None
        ),
        REPAIR_SECONDS,
        "the drift to be repaired",
    )
    for plural, name in (DEPLOYMENT, SERVICE, AUTOSCALER, BUDGET, POLICY, DATABASE, BACKUP, CLAIM):
        metadata = operated.require(plural, name)["metadata"]
        assert metadata["annotations"]["else/a"] == "1", name
        assert metadata["labels"]["else/l"] == "2", name
    assert operated.require(*SERVICE)["spec"]["sessionAffinity"] == "ClientIP"
    assert operated.replicas("demo-blue") == 3
