"""Each kind of action against a real API server: what it writes, rejects and notices."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from bookstore_operator.core.kinds import BOOKSTORES, key_of
from bookstore_operator.core.labels import STORE_LABEL
from bookstore_operator.core.plan import (
    GENERATED,
    Action,
    Apply,
    Create,
    CreateSecret,
    Delete,
    Event,
    EventType,
    Manifest,
    ObjectRef,
    Plan,
    Scale,
    WriteStatus,
)
from bookstore_operator.core.snapshot import OperatorSettings
from bookstore_operator.kube.client import Api, load_configuration
from bookstore_operator.kube.events import Recorder
from bookstore_operator.kube.object_cache import ObjectCache, StoreKey
from bookstore_operator.runtime.executor import Executor, RejectedError, StaleSnapshotError
from bookstore_operator.runtime.observer import Observer
from tests.cluster.conftest import Shop

pytestmark = pytest.mark.cluster

WHY = ("Testing", "For a test.")


def run(shop: Shop, scenario: Callable[[Executor, StoreKey], Awaitable[None]]) -> None:
    """Run a scenario with the operator's own rights, in a namespace with a BookStore."""
    shop.apply()

    async def with_executor() -> None:
        configuration = await load_configuration(shop.cluster.operator_kubeconfig)
        async with Api(configuration) as api:
            cache = ObjectCache()
            observer = Observer(api, cache, OperatorSettings(), [shop.namespace])
            await observer.relist()
            await scenario(Executor(api, cache, observer), StoreKey(shop.namespace, "demo"))

    asyncio.run(with_executor())


def service(port: int = 80, name: str = "demo") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": {STORE_LABEL: "demo"}},
        "spec": {"ports": [{"name": "http", "port": port}], "selector": {"a": "b"}},
    }


def cached(executor: Executor, key: StoreKey, manifest: dict[str, Any]) -> Manifest:
    """Return an object of the executor's cache."""
    obj = executor.cache.get(key.namespace, key_of(manifest))
    assert obj is not None
    return obj


async def do(executor: Executor, key: StoreKey, *actions: Action) -> int:
    return await executor.execute(Plan(actions=actions), key)


def test_an_apply_without_a_change_counts_no_change(shop: Shop) -> None:
    async def scenario(executor: Executor, key: StoreKey) -> None:
        assert await do(executor, key, Apply(service(), *WHY)) == 1
        assert await do(executor, key, Apply(service(), *WHY)) == 0
        assert await do(executor, key, Apply(service(81), *WHY)) == 1
        cached_service = cached(executor, key, service())
        assert cached_service["spec"]["ports"][0]["port"] == 81, (
            "the answer is in the cache at once"
        )

    run(shop, scenario)


@pytest.mark.parametrize(
    ("change", "misses"),
    [
        ((), 0),
        (("scale", "bookstore", "demo", "--replicas=3"), 1),
        (("annotate", "bookstore", "demo", "a=b"), 1),
        (("delete", "bookstore", "demo", "--wait=false"), 1),
    ],
)
def test_a_report_that_meets_a_change_of_others_is_followed_by_a_visit(
    shop: Shop, change: tuple[str, ...], misses: int
) -> None:
    """The change is in the answer to the report, so the watch's event about it is an old one."""
    shop.apply(deletionPolicy="Retain")
    patch = '{"metadata": {"finalizers": ["test/finalizer"]}}'
    shop.kubectl("patch", "bookstore", "demo", "--type=merge", f"--patch={patch}")

    async def scenario(executor: Executor, key: StoreKey) -> None:
        missed: list[StoreKey] = []
        executor = replace(executor, enqueue=missed.append)
        write = WriteStatus(BOOKSTORES.ref("demo"), {"stage": "Start"}, *WHY)
        assert await do(executor, key, write) == 1
        assert missed == []
        if change:
            shop.kubectl(*change)
        assert await do(executor, key, replace(write, status={"stage": "Verify"})) == 1
        assert missed == [key] * misses

    run(shop, scenario)
    shop.kubectl(
        "patch", "bookstore", "demo", "--type=merge", '--patch={"metadata": {"finalizers": null}}'
    )


def test_an_apply_on_a_stale_object_is_rejected_and_the_cache_refreshed(shop: Shop) -> None:
    async def scenario(executor: Executor, key: StoreKey) -> None:
        await do(executor, key, Apply(service(), *WHY))
        old = cached(executor, key, service())["metadata"]["resourceVersion"]
        shop.kubectl("label", "service", "demo", "somebody=was-here")
        with pytest.raises(StaleSnapshotError):
            await do(executor, key, Apply(service(82), *WHY, expected_resource_version=old))
        renewed = cached(executor, key, service())
        assert renewed["metadata"]["labels"]["somebody"] == "was-here"
        assert renewed["spec"]["ports"][0]["port"] == 80
        new = renewed["metadata"]["resourceVersion"]
        assert await do(executor, key, Apply(service(82), *WHY, expected_resource_version=new))

    run(shop, scenario)


def test_an_irreversible_step_requires_a_current_intent(shop: Shop) -> None:
    """The user changed their mind after the picture was taken: nothing is deleted on it."""

    async def scenario(executor: Executor, key: StoreKey) -> None:
        await do(executor, key, Apply(service(), *WHY))
        uid = cached(executor, key, service())["metadata"]["uid"]
        delete = Delete(key_of(service()), uid, *WHY)
        shop.kubectl("scale", "bookstore", "demo", "--replicas=3")
        with pytest.raises(StaleSnapshotError):
            await do(executor, key, delete)
        assert shop.get("v1/services", "demo")
        assert await do(executor, key, delete) == 1, "the cache knows better now"
        assert shop.get("v1/services", "demo") is None

    run(shop, scenario)


def test_a_deletion_keeps_a_successor_of_the_same_name(shop: Shop) -> None:
    async def scenario(executor: Executor, key: StoreKey) -> None:
        await do(executor, key, Apply(service(), *WHY))
        with pytest.raises(StaleSnapshotError):
            await do(executor, key, Delete(key_of(service()), "another-uid", *WHY))
        assert shop.get("v1/services", "demo")

    run(shop, scenario)


def test_a_deletion_of_a_missing_object_succeeds(shop: Shop) -> None:
    async def scenario(executor: Executor, key: StoreKey) -> None:
        gone = ObjectRef("v1", "Service", "never")
        assert await do(executor, key, Delete(gone, "some-uid", *WHY)) == 0

    run(shop, scenario)


def test_a_foreign_object_is_not_changed(shop: Shop) -> None:
    foreign = service()
    foreign["metadata"]["labels"] = {}
    shop.kubectl.apply(foreign)

    async def scenario(executor: Executor, key: StoreKey) -> None:
        for action in (Apply(service(81), *WHY), Create(service(81), *WHY)):
            with pytest.raises(RejectedError, match="does not belong to BookStore demo"):
                await do(executor, key, action)

    run(shop, scenario)
    assert shop.require("v1/services", "demo")["spec"]["ports"][0]["port"] == 80


CLAIM = ObjectRef("v1", "PersistentVolumeClaim", "data-demo-db-0")
OURS = {STORE_LABEL: "demo"}
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "demo-db", "labels": OURS},
}
KEYS = {"password": GENERATED, "uri": f"postgresql://u:{GENERATED}@demo-db/b"}
NEW_PASSWORD = CreateSecret(SECRET, KEYS, *WHY, guards=(CLAIM,))


def claim(name: str = CLAIM.name, **metadata: Any) -> dict[str, Any]:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, **metadata},
        "spec": spec,
    }


def database() -> Apply:
    pod = {"containers": [{"name": "postgres", "image": "localhost/none:1"}]}
    stateful_set = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "demo-db", "labels": OURS},
        "spec": {
            "replicas": 0,
            "serviceName": "demo-db",
            "selector": {"matchLabels": OURS},
            "template": {"metadata": {"labels": OURS}, "spec": pod},
            "volumeClaimTemplates": [{**claim(), "metadata": {"name": "data"}}],
        },
    }
    return Apply(stateful_set, *WHY, guards=(CLAIM,))


def controlled_by_somebody(shop: Shop) -> dict[str, Any]:
    """Return the metadata of an object of another controller that has our label."""
    head = {"apiVersion": "v1", "kind": "ConfigMap"}
    shop.kubectl.apply({**head, "metadata": {"name": "somebody"}})
    uid = shop.require("v1/configmaps", "somebody")["metadata"]["uid"]
    owner = {**head, "name": "somebody", "uid": uid, "controller": True}
    return {"labels": OURS, "ownerReferences": [owner]}


@pytest.mark.parametrize("whose", ["nobody's", "another controller's", "another BookStore's"])
def test_a_foreign_volume_with_the_name_is_not_used(shop: Shop, whose: str) -> None:
    """A StatefulSet would take it. Nor is a password made, which would not fit its data."""
    metadata: dict[str, Any] = {}
    if whose == "another controller's":
        metadata = controlled_by_somebody(shop)
    if whose == "another BookStore's":
        metadata = {"labels": {STORE_LABEL: "other"}}
    shop.kubectl.apply(claim(**metadata))

    async def scenario(executor: Executor, key: StoreKey) -> None:
        for action in (NEW_PASSWORD, database()):
            with pytest.raises(RejectedError, match=f"named {CLAIM.name} exists") as rejected:
                await do(executor, key, action)
            assert rejected.value.rejection.target == CLAIM
            assert rejected.value.rejection.reason == "NameConflict"
            hint = rejected.value.rejection.message.partition("kubectl ")[2]
            assert bool(hint) is (whose == "nobody's"), "a label changes no other owner"
        assert shop.get("v1/secrets", "demo-db") is None
        assert shop.get("apps/v1/statefulsets", "demo-db") is None
        if hint:
            shop.kubectl(*hint.removesuffix(".").split())
            await executor.observer.relist()
            assert await do(executor, key, database()) == 1, "the hint is what helps"

    run(shop, scenario)


def test_a_retained_volume_is_used_again(shop: Shop) -> None:
    async def scenario(executor: Executor, key: StoreKey) -> None:
        shop.kubectl.apply(claim(labels=OURS))
        with pytest.raises(StaleSnapshotError):
            await do(executor, key, database())
        assert executor.cache.get(key.namespace, CLAIM), "the next decision knows of it"
        assert await do(executor, key, database()) == 1

    run(shop, scenario)


def test_a_foreign_backup_volume_and_secret_are_not_used(shop: Shop) -> None:
    shop.kubectl.apply(claim("demo-backup"), {**SECRET, "metadata": {"name": "demo-db"}})
    owner_of_secret = Apply(SECRET, *WHY)

    async def scenario(executor: Executor, key: StoreKey) -> None:
        for name, action in (
            ("demo-backup", Apply(claim("demo-backup", labels=OURS), *WHY)),
            ("demo-db", NEW_PASSWORD),
            ("demo-db", owner_of_secret),
        ):
            with pytest.raises(RejectedError, match=f"named {name} exists") as rejected:
                await do(executor, key, action)
            assert rejected.value.rejection.reason == "NameConflict"
        shop.kubectl("delete", "pvc", "demo-backup")
        shop.kubectl.apply(claim("demo-backup", **controlled_by_somebody(shop)))
        await executor.observer.relist()
        with pytest.raises(RejectedError, match="named demo-backup exists"):
            await do(executor, key, Apply(claim("demo-backup", labels=OURS), *WHY))

    run(shop, scenario)


def test_an_existing_own_object_means_a_stale_snapshot(shop: Shop) -> None:
    async def scenario(executor: Executor, key: StoreKey) -> None:
        shop.kubectl.apply(service())
        with pytest.raises(StaleSnapshotError):
            await do(executor, key, Create(service(), *WHY))
        assert executor.cache.get(key.namespace, key_of(service()))

    run(shop, scenario)


def test_a_rejection_names_the_object_and_the_cause(shop: Shop) -> None:
    async def scenario(executor: Executor, key: StoreKey) -> None:
        with pytest.raises(RejectedError, match=r"spec\.ports") as rejected:
            await do(executor, key, Apply(service(port=70000), *WHY))
        assert rejected.value.rejection.target == key_of(service())
        assert rejected.value.rejection.reason == "Invalid"

    run(shop, scenario)


def test_actions_end_at_the_first_that_fails(shop: Shop) -> None:
    async def scenario(executor: Executor, key: StoreKey) -> None:
        plan = (Apply(service(70000), *WHY), Apply(service(80, "never"), *WHY))
        with pytest.raises(RejectedError):
            await do(executor, key, *plan)
        assert shop.get("v1/services", "never") is None

    run(shop, scenario)


def test_the_generated_password_is_in_both_keys_and_created_once(shop: Shop) -> None:
    async def scenario(executor: Executor, key: StoreKey) -> None:
        assert await do(executor, key, NEW_PASSWORD) == 1
        with pytest.raises(StaleSnapshotError):
            await do(executor, key, NEW_PASSWORD)
        assert executor.cache.get(key.namespace, key_of(SECRET)) is None, "no Secret is kept"

    run(shop, scenario)
    secret = shop.require("v1/secrets", "demo-db")
    values = {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}
    assert len(values["password"]) == 43
    assert values["uri"] == f"postgresql://u:{values['password']}@demo-db/b"


def test_a_replica_count_is_set_through_scale_and_survives_an_apply(shop: Shop) -> None:
    labels = {STORE_LABEL: "demo"}
    pod = {"containers": [{"name": "api", "image": "localhost/none:1"}]}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "demo-blue", "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
    changed = {**deployment, "metadata": {"name": "demo-blue", "labels": {**labels, "new": "1"}}}

    async def scenario(executor: Executor, key: StoreKey) -> None:
        await do(executor, key, Apply(deployment, *WHY), Scale("demo-blue", 7, *WHY))
        await do(executor, key, Apply(changed, *WHY))
        assert cached(executor, key, deployment)["spec"]["replicas"] == 7

    run(shop, scenario)
    assert shop.replicas("demo-blue") == 7


def test_a_status_is_written_and_events_are_posted_once(shop: Shop) -> None:
    status = {"stage": "Expand", "replicas": 3}
    regarding = BOOKSTORES.ref("demo")

    async def scenario(executor: Executor, key: StoreKey) -> None:
        write = WriteStatus(regarding, status, *WHY)
        assert await do(executor, key, write) == 1
        assert await do(executor, key, write) == 0
        event = Event(regarding, EventType.WARNING, "Testing", "x" * 2000)
        for _ in range(2):  # a restarted operator does not know that it has posted it
            await Recorder(executor.api, executor.cache).post(event, key)

    run(shop, scenario)
    assert shop.require("bookstores", "demo")["status"]["stage"] == "Expand"
    events = shop.list("events.k8s.io/v1/events")
    assert len(events) == 1
    assert events[0]["series"]["count"] == 2
    assert len(events[0]["note"].encode()) <= 1024
    assert "Testing" in shop.kubectl("describe", "bookstore", "demo")


def test_a_relist_repairs_what_a_watch_has_missed(shop: Shop) -> None:
    async def scenario(executor: Executor, key: StoreKey) -> None:
        await do(executor, key, Apply(service(), *WHY))
        shop.kubectl("delete", "service", "demo")
        shop.kubectl("scale", "bookstore", "demo", "--replicas=4")
        assert await executor.observer.relist() == {key}
        assert executor.cache.get(key.namespace, key_of(service())) is None
        store = executor.cache.bookstore(key)
        assert store is not None
        assert store["spec"]["replicas"] == 4
        assert await executor.observer.relist() == set()

    run(shop, scenario)


def test_a_bookstore_that_is_gone_has_no_snapshot(shop: Shop) -> None:
    async def scenario(executor: Executor, key: StoreKey) -> None:
        assert await executor.observer.snapshot(key) is not None
        shop.kubectl("delete", "bookstore", "demo")
        await executor.observer.refresh(key.namespace, BOOKSTORES.ref("demo"))
        assert await executor.observer.snapshot(key) is None

    run(shop, scenario)


def test_a_decision_that_depends_on_another_object_reads_that_live_first(shop: Shop) -> None:
    """As of a Job's Pod: one that has started in the meantime keeps its Job from being deleted."""

    async def scenario(executor: Executor, key: StoreKey) -> None:
        job, pod, other = service(name="demo-a"), service(name="demo-b"), service(name="demo-c")
        await do(executor, key, Apply(job, *WHY), Apply(pod, *WHY))
        observed, reads = cached(executor, key, job), (key_of(pod),)
        uid, version = (observed["metadata"][name] for name in ("uid", "resourceVersion"))
        delete = Delete(key_of(job), uid, *WHY, resource_version=version, reads=reads)
        create = Create(other, *WHY, irreversible=True, reads=reads)
        for action in (delete, create):
            shop.kubectl("annotate", "service", "demo-b", "changed=yes")
            with pytest.raises(StaleSnapshotError, match="demo-b has changed"):
                await do(executor, key, action)
            shop.kubectl("annotate", "service", "demo-b", "changed-")
            await executor.observer.refresh(key.namespace, key_of(pod))
        assert shop.get("v1/services", "demo-a") is not None
        assert shop.get("v1/services", "demo-c") is None
        assert await do(executor, key, delete, create) == 2
        assert shop.get("v1/services", "demo-a") is None

    run(shop, scenario)


@pytest.mark.parametrize("kind", ["Secret", "Service"])
def test_no_object_is_given_an_owner_that_has_been_deleted(shop: Shop, kind: str) -> None:
    """It would be deleted like its owner: the password of a database that is kept."""
    obj: dict[str, Any] = SECRET if kind == "Secret" else service()
    shop.kubectl.apply(obj)

    async def scenario(executor: Executor, key: StoreKey) -> None:
        store = executor.cache.bookstore(key)
        assert store is not None
        uid = store["metadata"]["uid"]
        owner = {"apiVersion": store["apiVersion"], "kind": "BookStore", "name": "demo", "uid": uid}
        owned = {**obj, "metadata": {**obj["metadata"], "ownerReferences": [owner]}}
        shop.kubectl("delete", "bookstore", "demo", "--cascade=orphan")
        with pytest.raises(StaleSnapshotError, match="BookStore demo has changed"):
            await do(executor, key, Apply(owned, *WHY))
        assert executor.cache.bookstore(key) is None

    run(shop, scenario)
    kept = shop.require(f"v1/{kind.lower()}s", obj["metadata"]["name"])
    assert "ownerReferences" not in kept["metadata"]
