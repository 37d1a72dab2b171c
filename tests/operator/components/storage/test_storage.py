"""Volumes grow, are never made smaller, and what differs is reported."""

from typing import Any

import pytest

from bookstore_operator.components.storage.gate import volumes_match
from bookstore_operator.core.gate import Passed, Waiting
from bookstore_operator.core.kinds import target_of
from bookstore_operator.core.plan import Apply, Create, CreateSecret, Delete, WriteStatus
from tests.support.world import Object, World

pytestmark = pytest.mark.scenario

CLAIM = "data-demo-db-0"


def with_claim(
    requested: str, capacity: str, wanted: str, status: Object | None = None, **spec: Any
) -> World:
    """Return a BookStore whose database's claim is bound, and that wants a size."""
    world = World(spec={"image": "api:1"}).settle()
    claim = world.get("PersistentVolumeClaim", CLAIM)
    request = {"resources": {"requests": {"storage": requested}}}
    claim["spec"] = {**claim["spec"], **request, **spec}
    claim["status"] = {"phase": "Bound", "capacity": {"storage": capacity}, **(status or {})}
    return world.change(database={"embedded": {"storage": {"size": wanted}}})


def changes(world: World) -> list[Apply]:
    return [
        action
        for action in world.reconcile().actions
        if isinstance(action, Apply)
        and action.manifest["kind"] in {"PersistentVolumeClaim", "StatefulSet"}
    ]


@pytest.mark.parametrize(
    ("requested", "capacity", "wanted", "applied"),
    [
        ("1Gi", "1Gi", "2Gi", "2Gi"),
        ("1Gi", "1Gi", "1024Mi", None),
        ("2Gi", "2Gi", "1Gi", None),
        ("1Gi", "5Gi", "2Gi", None),
        ("9Gi", "1Gi", "2Gi", "2Gi"),
        ("9Gi", "1Gi", "1Gi", None),
    ],
    ids=["grows", "same", "never-shrinks", "has-more", "taken-back-to-less", "taken-back"],
)
def test_a_claim_requests_what_the_spec_wants_if_its_volume_has_less(
    requested: str, capacity: str, wanted: str, applied: str | None
) -> None:
    world = with_claim(requested, capacity, wanted)
    sizes = [a.manifest["spec"]["resources"]["requests"]["storage"] for a in changes(world)]
    assert sizes == ([applied] if applied else []), "the StatefulSet's template is immutable"
    assert not world.has("BookStoreRelease", "demo-r2"), "growth needs no release"


def test_a_release_precedes_the_growth_that_a_storage_class_may_reject() -> None:
    world = with_claim("1Gi", "1Gi", "2Gi").change(image="api:2")
    actions = world.reconcile().actions
    kinds = [target_of(action).kind for action in actions if not isinstance(action, WriteStatus)]
    assert kinds.index("BookStoreRelease") < kinds.index("PersistentVolumeClaim")


def test_a_volume_that_grows_is_reported_with_the_conditions_of_its_claim() -> None:
    restart = {"type": "FileSystemResizePending", "message": "Waiting for user to restart a pod."}
    world = with_claim("2Gi", "1Gi", "2Gi", {"conditions": [{**restart, "status": "True"}]})
    answer = volumes_match(world.snapshot(), world.now)
    assert isinstance(answer, Waiting)
    assert not answer.stalled
    assert answer.message == (
        f"Waiting for volume claim {CLAIM} to grow from 1Gi to 2Gi. "
        f"Waiting for user to restart a pod. See kubectl describe pvc {CLAIM}."
    )


def test_a_growth_that_is_not_feasible_names_the_field_to_set_back() -> None:
    failed = {"allocatedResourceStatuses": {"storage": "ControllerResizeInfeasible"}}
    answer = volumes_match(with_claim("2Gi", "1Gi", "2Gi", failed).snapshot(), World().now)
    assert isinstance(answer, Waiting)
    assert answer.stalled
    assert "set spec.database.embedded.storage.size back" in answer.message


def test_a_retained_volume_of_another_class_is_reported() -> None:
    world = with_claim("1Gi", "1Gi", "1Gi", storageClassName="slow")
    storage = {"storageClassName": "fast"}
    world.change(database={"embedded": {"storage": storage}})
    assert changes(world) == [], "the StatefulSet keeps its template"
    assert world.condition("Ready") == ("False", "VolumeMismatch")
    assert "has StorageClass slow, not fast" in world.message("Ready")
    world.change(database={"embedded": {"storage": {"storageClassName": "slow"}}})
    assert volumes_match(world.snapshot(), world.now) == Passed()


def test_a_claim_without_a_volume_is_replaced_and_one_with_a_volume_never() -> None:
    for phase, replaced in (("Pending", ["PersistentVolumeClaim", "StatefulSet"]), ("Bound", [])):
        world = with_claim("1Gi", "1Gi", "1Gi", {"phase": phase})
        world.change(database={"embedded": {"storage": {"storageClassName": "fast"}}})
        deleted = [a.key.kind for a in world.reconcile().actions if isinstance(a, Delete)]
        assert deleted == replaced


def test_what_outlives_its_bookstore_is_no_part_of_an_argo_application_of_its_name() -> None:
    """Argo CD prunes objects with its tracking label that have no owner and are not in Git."""
    world = World(spec={"image": "api:1", "backup": {"schedule": "@daily"}}).settle()
    created = [a.manifest for a in world.done if isinstance(a, Create | CreateSecret)]
    objects = [*world.objects.values(), *created]
    without_owner = [
        obj
        for obj in objects
        if obj["kind"] not in {"BookStore", "EndpointSlice"}
        and not obj["metadata"].get("ownerReferences")
    ]
    assert {obj["kind"] for obj in without_owner} >= {"PersistentVolumeClaim", "Secret"}
    for obj in without_owner:
        assert "app.kubernetes.io/instance" not in obj["metadata"]["labels"], obj["metadata"]
