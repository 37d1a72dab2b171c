"""What the API server itself refuses, by the CRDs: no operator runs here.

The fields one by one are in test_fields.py.
"""

import copy
import json
from typing import Any

import pytest

from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.intent import intent_of
from bookstore_operator.crd.release import Color
from bookstore_operator.releases.manifests import release
from demo.kubectl import KubectlError
from tests.cluster.conftest import Shop, bookstore

pytestmark = pytest.mark.cluster

EXTERNAL = {"external": {"secretName": "books"}}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("d" * 41, "40 characters at most"),
        ("1demo", "must begin with a letter"),
        ("demo.shop", "must begin with a letter"),
        ("demo-db", "must not end in -db"),
        ("demo-cache", "must not end in -db, -cache"),
        ("demo-preview", "must not end in -db, -cache, -preview"),
        ("demo-db-restored", "must not end in -db, .* or -db-restored"),
    ],
)
def test_an_invalid_name_is_rejected(shop: Shop, name: str, message: str) -> None:
    with pytest.raises(KubectlError, match=f"the name of a BookStore.*{message}"):
        shop.apply(name)


def test_the_longest_name_is_accepted(shop: Shop) -> None:
    shop.apply("d" * 40)


def test_a_bootstrap_can_be_removed_but_not_added_or_changed(shop: Shop) -> None:
    restore = {"restore": {"before": "2026-11-27T12:00:00Z"}}
    shop.apply(bootstrap=restore)
    with pytest.raises(KubectlError, match="it can't be added or changed later"):
        shop.apply(bootstrap={"restore": {}})
    shop.apply()
    with pytest.raises(KubectlError, match="create a BookStoreRestore"):
        shop.apply(bootstrap=restore)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("", "example.com/a", "does not allow to change service.loadBalancerClass"),
        ("example.com/a", "example.com/b", "does not allow to change service.loadBalancerClass"),
        ("example.com/a", "", "does not allow to change service.loadBalancerClass"),
        ("example.com/a", "example.com/a", ""),
    ],
)
def test_the_class_of_a_load_balancer_can_not_be_changed(
    shop: Shop, before: str, after: str, message: str
) -> None:
    def apply(name: str, port: int = 80) -> None:
        chosen = {"loadBalancerClass": name} if name else {}
        shop.apply(service={"type": "LoadBalancer", "port": port, **chosen})

    apply(before)
    if not message:
        apply(after, port=81)
        return
    with pytest.raises(KubectlError, match=message):
        apply(after)
    shop.apply(service={"type": "ClusterIP"})
    apply(after)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ({}, EXTERNAL, "can't be changed between"),
        (
            {"embedded": {"storage": {"size": "2Gi"}}},
            {"embedded": {"storage": {"size": "1Gi"}}},
            "a volume can't shrink",
        ),
    ],
)
def test_a_database_can_not_be_moved_in_place(
    shop: Shop, before: dict[str, Any], after: dict[str, Any], message: str
) -> None:
    shop.apply(database=before or {"embedded": {}})
    with pytest.raises(KubectlError, match=message):
        shop.apply(database=after)


@pytest.mark.parametrize("group", ["database", "backup"])
@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ({}, {"storageClassName": "fast"}, "storageClassName can't be changed, set or unset"),
        ({"storageClassName": "fast"}, {}, "storageClassName can't be changed, set or unset"),
        ({"storageClassName": "fast"}, {"storageClassName": "slow"}, "storageClassName can't be"),
        ({"size": "2Gi"}, {}, "a volume can't shrink"),
        ({"size": "2Gi"}, {"size": "2Gi"}, ""),
        ({"size": "1Gi"}, {"size": "1536Mi"}, ""),
        ({"storageClassName": "fast"}, {"storageClassName": "fast", "size": "3Gi"}, ""),
    ],
)
def test_a_volume_can_grow_but_not_be_moved(
    shop: Shop, group: str, before: dict[str, Any], after: dict[str, Any], message: str
) -> None:
    shop.apply(**storage(group, before))
    assert_applied(shop, message, **storage(group, after))


@pytest.mark.parametrize(
    ("actual", "after", "message"),
    [
        ({"size": "2Gi"}, {"size": "1Gi"}, "a volume can't shrink"),
        ({"size": "2Gi"}, {"size": "2048Mi"}, ""),
        ({"size": "1Gi", "storageClassName": "slow"}, {"storageClassName": "fast"}, "can't be"),
        ({"size": "1Gi", "storageClassName": "slow"}, {"storageClassName": "slow"}, ""),
        ({}, {"size": "1Mi", "storageClassName": "fast"}, ""),
    ],
)
def test_backups_that_are_configured_again_are_compared_with_their_volume(
    shop: Shop, actual: dict[str, str], after: dict[str, Any], message: str
) -> None:
    """A rule within spec.backup is not evaluated while spec.backup is added."""
    shop.apply()
    status = {"volumes": {"backup": {"claim": "demo-backup", **actual}}}
    body = json.dumps({"status": status})
    shop.kubectl(
        *("patch", "bookstore", "demo", "--subresource=status", "--type=merge", "-p", body)
    )
    assert_applied(shop, message, **storage("backup", after))


VOLUME: dict[str, Any] = {"target": {"volume": {}}}
BUCKET: dict[str, Any] = {"target": {"s3": {"bucket": "books"}}}


@pytest.mark.parametrize(
    ("backup", "message"),
    [
        ({"keep": 3}, ""),
        ({"retention": {"keepDaily": 7, "minimum": 2}}, ""),
        (
            {"retention": {"keepDaily": 7}, "keep": 3},
            "only one of backup.keep and backup.retention",
        ),
        ({"storage": {"size": "2Gi"}, **BUCKET}, "only one of backup.storage and backup.target"),
        ({"storage": {"storageClassName": "fast"}, **VOLUME}, "only one of backup.storage and"),
        ({"target": {}}, ""),
        ({"target": {**VOLUME["target"], **BUCKET["target"]}}, "at most one of volume and s3"),
        ({"timeZone": "Europe/Berlin", **BUCKET, "drill": {"schedule": "@weekly"}}, ""),
        ({"timeZone": "Local"}, "a name of the IANA time zone database"),
        ({"schedule": "TZ=Europe/Berlin 0 3 * * *"}, "schedule"),
    ],
)
def test_backups_are_described_without_contradiction(
    shop: Shop, backup: dict[str, Any], message: str
) -> None:
    assert_applied(shop, message, backup={"schedule": "@daily", **backup})


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ({"storage": {"size": "2Gi"}}, BUCKET, ""),
        ({"storage": {"size": "2Gi"}}, {"target": {"volume": {"size": "3Gi"}}}, ""),
        ({"storage": {"size": "2Gi"}}, VOLUME, "backup.target.volume.size must not be less"),
        (BUCKET, VOLUME, "backup.target.volume.size must not be less"),
        (BUCKET, {}, "backup.storage.size must not be less"),
        (
            {"target": {"volume": {"size": "3Gi"}}},
            {"target": {"volume": {"size": "1Gi"}}},
            "shrink",
        ),
        ({"target": {"volume": {"size": "2Gi"}}}, VOLUME, ""),
    ],
)
def test_backups_that_move_are_compared_with_the_volume_that_is_kept(
    shop: Shop, before: dict[str, Any], after: dict[str, Any], message: str
) -> None:
    shop.apply(backup={"schedule": "@daily", **before})
    actual = {"claim": "demo-backup", "size": "2Gi", "storageClassName": "slow"}
    body = json.dumps({"status": {"volumes": {"backup": actual}}})
    shop.kubectl(
        *("patch", "bookstore", "demo", "--subresource=status", "--type=merge", "-p", body)
    )
    assert_applied(shop, message, backup={"schedule": "@daily", **after})


def storage(group: str, values: dict[str, Any]) -> dict[str, Any]:
    if group == "backup":
        return {"backup": {"schedule": "@daily", "storage": values}}
    return {"database": {"embedded": {"storage": values}}}


def assert_applied(shop: Shop, message: str, **spec: Any) -> None:
    """Assert that a spec is accepted, or rejected with a message."""
    if not message:
        shop.apply(**spec)
        return
    with pytest.raises(KubectlError, match=message):
        shop.apply(**spec)


def test_only_what_people_decide_of_a_release_can_be_changed(shop: Shop) -> None:
    shop.apply()
    store = BookStore.model_validate(shop.store())
    manifest = release(store, 1, 1, Color.BLUE, intent_of(store.spec))
    shop.kubectl.apply(manifest)
    for change in (
        {"revision": 2},
        {"color": "green"},
        {"podTemplate": "{}"},
        {"rollbackOf": "demo-r7"},
        {"overrides": "demo-r7"},
        {"intent": {**manifest["spec"]["intent"], "image": "other:1"}},
        {"intent": {**manifest["spec"]["intent"], "config": {"logLevel": "debug"}}},
        {"intent": {**manifest["spec"]["intent"], "scheduling": {"nodeSelector": {"a": "b"}}}},
    ):
        changed = copy.deepcopy(dict(manifest))
        changed["spec"] |= change
        with pytest.raises(KubectlError, match="a BookStoreRelease is a record"):
            shop.kubectl.apply(changed)
    decided = {"aborted": True, "approved": True, "retry": True, "rollback": True}
    shop.kubectl.apply({**manifest, "spec": {**manifest["spec"], **decided}})
    stored = shop.get("bookstorereleases", "demo-r1")
    assert stored is not None
    assert stored["spec"].items() >= decided.items()
    assert stored["spec"]["intent"] == manifest["spec"]["intent"], "nothing is pruned or added"


def test_an_autoscaler_can_read_the_size_of_a_bookstore_that_sets_none(shop: Shop) -> None:
    """A HorizontalPodAutoscaler does nothing for a target whose scale has 0 replicas."""
    shop.apply()
    path = f"/apis/bookstore.dev/v1alpha1/namespaces/{shop.namespace}/bookstores/demo/scale"
    scale = json.loads(shop.kubectl("get", "--raw", path))
    assert scale["spec"]["replicas"] == 2


def test_kubectl_scale_sets_replicas_and_unset_fields_get_defaults(shop: Shop) -> None:
    shop.apply(replicas=2)
    shop.kubectl("scale", "bs/demo", "--replicas=5")
    stored = shop.store()
    assert stored is not None
    assert stored["spec"]["replicas"] == 5
    assert stored["spec"]["database"]["embedded"]["storage"]["size"] == "1Gi"
    plain = bookstore()
    from_server, from_model = (BookStore.model_validate(raw).spec for raw in (stored, plain))
    assert intent_of(from_server) == intent_of(from_model), "the API server has the same defaults"
