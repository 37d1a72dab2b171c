"""The cache keeps the newest version of an object, whatever its source."""

from typing import Any

import pytest

from bookstore_operator.core.kinds import DEPLOYMENTS
from bookstore_operator.core.labels import STORE_LABEL
from bookstore_operator.core.plan import ObjectRef
from bookstore_operator.crd.base import API_VERSION
from bookstore_operator.kube.object_cache import ObjectCache, StoreKey, trimmed
from bookstore_operator.kube.watch import ingest

pytestmark = pytest.mark.scenario

KEY = StoreKey("shop", "demo")
DEPLOYMENT = ObjectRef("apps/v1", "Deployment", "demo-blue")


def deployment(
    version: int, uid: str = "u1", name: str = "demo-blue", **spec: Any
) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": uid,
            "resourceVersion": str(version),
            "labels": {STORE_LABEL: "demo"},
        },
        "spec": spec,
    }


def version_of(cache: ObjectCache) -> str | None:
    cached = cache.get("shop", DEPLOYMENT)
    return cached["metadata"]["resourceVersion"] if cached else None


def test_a_late_event_does_not_overwrite_the_own_write() -> None:
    cache = ObjectCache()
    assert cache.put(deployment(5))
    assert cache.put(deployment(9)), "the answer to the own write"
    assert not ingest(cache, "MODIFIED", deployment(7))
    assert version_of(cache) == "9"


def test_versions_compare_as_numbers() -> None:
    cache = ObjectCache()
    cache.put(deployment(9))
    assert cache.put(deployment(10))


def test_the_echo_of_the_own_write_changes_nothing() -> None:
    cache = ObjectCache()
    cache.put(deployment(9))
    assert not ingest(cache, "MODIFIED", deployment(9))


def test_a_scaled_object_is_as_the_watch_delivers_it_whatever_was_missed() -> None:
    cache = ObjectCache()
    observed = deployment(5, replicas=1)
    observed["metadata"]["generation"] = 3
    observed["status"] = {"observedGeneration": 3}
    cache.put(observed)
    assert cache.put_scaled("shop", DEPLOYMENT, 4)
    scaled = cache.get("shop", DEPLOYMENT) or {}
    assert (scaled["spec"]["replicas"], scaled["metadata"]["generation"]) == (4, 4)
    assert observed["spec"] == {"replicas": 1}, "what a Snapshot has does not change"
    assert ingest(cache, "MODIFIED", deployment(6, replicas=1)), "another's write before ours"
    assert ingest(cache, "MODIFIED", deployment(7, replicas=4))


def test_the_watch_may_deliver_a_scaled_object_first() -> None:
    cache = ObjectCache()
    cache.put(deployment(7, replicas=4))
    assert cache.put_scaled("shop", DEPLOYMENT, 4)
    assert cache.get("shop", DEPLOYMENT) == trimmed(deployment(7, replicas=4))
    assert cache.put_scaled("shop", ObjectRef("apps/v1", "Deployment", "deleted"), 4)
    assert len(cache) == 1


def test_a_deleted_object_does_not_come_back_by_a_late_event() -> None:
    cache = ObjectCache()
    cache.put(deployment(5))
    assert cache.remove("shop", DEPLOYMENT, "u1")
    assert not ingest(cache, "MODIFIED", deployment(7))
    assert not ingest(cache, "DELETED", deployment(8))
    assert version_of(cache) is None


def test_an_object_that_lost_its_label_comes_back_with_it() -> None:
    cache = ObjectCache()
    cache.put(deployment(5))
    assert ingest(cache, "DELETED", deployment(7))
    assert not ingest(cache, "MODIFIED", deployment(6))
    assert cache.put(deployment(8)), "the label was put back by an own write"
    assert not ingest(cache, "DELETED", deployment(7)), "a second watch tells it late"
    assert version_of(cache) == "8"


def test_a_late_deletion_keeps_the_successor_of_the_same_name() -> None:
    cache = ObjectCache()
    cache.put(deployment(5))
    cache.put(deployment(9, uid="u2"))
    assert not ingest(cache, "DELETED", deployment(8))
    assert version_of(cache) == "9"


def test_a_list_removes_absent_objects_but_not_newer_ones() -> None:
    cache = ObjectCache()
    cache.put(deployment(5, uid="gone", name="demo-old"))
    cache.put(deployment(20, uid="new", name="demo-new"))
    cache.put({**deployment(3, uid="svc"), "apiVersion": "v1", "kind": "Service"})
    present: set[str] = set()
    assert cache.put_listed(DEPLOYMENTS, [deployment(7)], present) == {KEY}
    assert cache.remove_absent(DEPLOYMENTS, None, present, "10") == {KEY}
    assert [key.name for key in cache.owned(KEY)] == ["demo-blue", "demo-new", "demo-blue"]


def test_a_list_of_one_namespace_leaves_the_others_alone() -> None:
    cache = ObjectCache()
    cache.put(deployment(5))
    assert cache.remove_absent(DEPLOYMENTS, "elsewhere", set(), "10") == set()
    assert cache.remove_absent(DEPLOYMENTS, "shop", set(), "10") == {KEY}
    assert len(cache) == 0


def test_objects_are_found_by_their_bookstore() -> None:
    cache = ObjectCache()
    bookstore = {
        "apiVersion": API_VERSION,
        "kind": "BookStore",
        "metadata": {"name": "demo", "namespace": "shop", "uid": "b", "resourceVersion": "1"},
    }
    release = {
        "apiVersion": API_VERSION,
        "kind": "BookStoreRelease",
        "metadata": {
            "name": "demo-r1",
            "namespace": "shop",
            "uid": "r",
            "resourceVersion": "2",
            "labels": {STORE_LABEL: "demo"},
        },
    }
    for manifest in (bookstore, release, deployment(3)):
        cache.put(manifest)
    assert cache.stores() == [KEY]
    assert cache.bookstore(KEY) == bookstore
    assert cache.records(KEY) == [release]
    assert list(cache.owned(KEY)) == [DEPLOYMENT]
    assert cache.owned(StoreKey("other", "demo")) == {}


def test_an_object_that_changes_its_label_changes_its_bookstore() -> None:
    cache = ObjectCache()
    cache.put(deployment(3))
    moved = deployment(4)
    moved["metadata"]["labels"] = {STORE_LABEL: "other"}
    cache.put(moved)
    assert cache.owned(KEY) == {}
    assert list(cache.owned(StoreKey("shop", "other"))) == [DEPLOYMENT]


def test_unused_fields_are_trimmed_and_the_original_is_unchanged() -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "p",
            "managedFields": [{}],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "…", "kept": "yes"},
        },
        "spec": {
            "nodeName": "n",
            "volumes": [{}],
            "imagePullSecrets": [{"name": "registry"}],
            "containers": [{"name": "api", "image": "i", "env": [{}]}],
        },
        "status": {"phase": "Running"},
    }
    assert trimmed(pod) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "annotations": {"kept": "yes"}},
        "spec": {
            "nodeName": "n",
            "imagePullSecrets": [{"name": "registry"}],
            "initContainers": [],
            "containers": [{"name": "api", "image": "i"}],
        },
        "status": {"phase": "Running"},
    }
    assert "managedFields" in pod["metadata"]


def test_no_secret_is_ever_kept() -> None:
    secret = {**deployment(1), "apiVersion": "v1", "kind": "Secret", "data": {"password": "…"}}
    with pytest.raises(ValueError, match="must not be kept"):
        ObjectCache().put(secret)


# The results of Jobs that are deleted as they end -----------------------------------------------


def ended_job(version: int, condition: str = "Complete") -> dict[str, Any]:
    job = {**deployment(version, name="demo-r2-expand"), "apiVersion": "batch/v1", "kind": "Job"}
    ended = {"type": condition, "status": "True"}
    return {**job, "status": {"conditions": [ended] if condition else []}}


def ended_pod(version: int) -> dict[str, Any]:
    pod = {**deployment(version, uid="u2", name="demo-r2-expand-x"), "apiVersion": "v1"}
    pod["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    return {**pod, "kind": "Pod", "status": {"phase": "Succeeded"}}


def kept(cache: ObjectCache) -> list[str]:
    return [key.name for key in cache.owned(KEY)]


def test_the_result_of_a_deleted_job_can_be_read_for_a_while() -> None:
    now = [0.0]
    cache = ObjectCache(clock=lambda: now[0])
    for manifest in (ended_job(1, condition=""), ended_pod(2)):
        cache.put(manifest)
    assert ingest(cache, "DELETED", ended_job(3))
    assert ingest(cache, "DELETED", ended_pod(4))
    job, pod = cache.owned(KEY).values()
    assert job["status"]["conditions"][0]["type"] == "Complete"
    assert "deletionTimestamp" in job["metadata"], "nobody deletes it again"
    assert "deletionTimestamp" not in pod["metadata"], "it has ended"
    assert cache.get("shop", ObjectRef("batch/v1", "Job", "demo-r2-expand")) is None
    now[0] = 31.0
    assert kept(cache) == []


def test_what_the_operator_deletes_itself_or_what_has_not_ended_leaves_nothing() -> None:
    cache = ObjectCache()
    cache.put(ended_job(1))
    cache.remove("shop", ObjectRef("batch/v1", "Job", "demo-r2-expand"), "u1")
    assert not ingest(cache, "DELETED", ended_job(3))
    assert kept(cache) == []
    cache.put(deployment(4))
    ingest(cache, "DELETED", deployment(5))
    assert kept(cache) == []


def test_a_job_that_is_there_again_is_the_one_that_counts() -> None:
    cache = ObjectCache()
    cache.put(ended_job(1))
    ingest(cache, "DELETED", ended_job(2))
    again = ended_job(3, condition="")
    again["metadata"]["uid"] = "u9"
    cache.put(again)
    (job,) = cache.owned(KEY).values()
    assert job["metadata"]["uid"] == "u9"


def test_the_pod_template_of_a_job_is_not_kept() -> None:
    job = {**deployment(1), "apiVersion": "batch/v1", "kind": "Job"}
    job["spec"] = {"suspend": True, "template": {"spec": {"containers": []}}}
    assert trimmed(job)["spec"] == {"suspend": True}
