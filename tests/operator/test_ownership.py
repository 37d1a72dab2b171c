"""What a BookStore of the same name finds is taken over as a whole, or refused by name."""

import copy
import json
from typing import Any

import pytest

from bookstore_operator.core.plan import Apply, Delete
from tests.support.world import MIGRATED, World

pytestmark = pytest.mark.scenario

TRUE, FALSE = "True", "False"
SPEC: dict[str, Any] = {
    "image": "api:1",
    "deletionPolicy": "Delete",
    "cache": {"embedded": {}},
    "backup": {"schedule": "@daily"},
}


@pytest.fixture
def world() -> World:
    """Return a BookStore that serves its second release and was deleted without its objects."""
    world = World(spec=copy.deepcopy(SPEC)).settle()
    world.change(image="api:2").settle()
    world.orphan_store()
    return world


def recreate(world: World, **fields: Any) -> World:
    world.create_store({**SPEC, "image": "api:2", **fields})
    world.done.clear()
    world.tick()
    return world


def test_orphans_are_taken_over_as_a_whole_and_deleted_with_the_next(world: World) -> None:
    """So nothing is left of which a third BookStore could serve the old image."""
    recreate(world).settle()
    assert world.condition("Ready") == (TRUE, "Serving")
    assert world.switches == ["demo-r1", "demo-r2"], "users were served all the time"
    assert len(world.migrations()) == 2, "nothing is migrated again"
    adopted = {a.manifest["kind"] for a in world.done if isinstance(a, Apply)}
    assert {"BookStoreRelease", "Service", "Secret"} <= adopted
    world.delete_store()
    # Kubernetes deletes the Job of a verification an hour after its end.
    left = [key for key in world.objects if key.kind != "Pod" and "-verify-" not in key.name]
    assert left == []
    assert world.secrets == {}


def test_orphans_and_another_image_are_a_release_of_the_same_books(world: World) -> None:
    recreate(world, image="api:3").settle()
    assert world.condition("Ready") == (TRUE, "Serving")
    assert world.switches == ["demo-r1", "demo-r2", "demo-r3"]


def test_orphaned_releases_of_a_lost_database_are_refused_by_name(world: World) -> None:
    world.lose("PersistentVolumeClaim")
    recreate(world, image="api:3")
    for _ in range(5):
        world.reconcile()
        world.tick()
    assert world.condition("Stalled") == (TRUE, "NameConflict")
    assert "demo-r1 demo-r2" in world.message("Stalled")
    assert len(world.migrations()) == 2, "the old image migrates no empty database"
    for name in ("demo-r1", "demo-r2"):
        world.delete_release(name)
    world.settle()
    assert world.condition("Ready") == (TRUE, "Serving")
    assert world.store["status"]["active"]["image"] == "api:3"
    deleted = {a.key.name for a in world.done if isinstance(a, Delete)}
    assert {"demo", "demo-blue", "demo-green"} & deleted, "what served the old image is gone"


def test_releases_of_a_former_bookstore_count_for_nothing_until_they_are_deleted() -> None:
    """The garbage collector is about to delete them: their owner was another object."""
    world = World(spec=copy.deepcopy(SPEC)).settle()
    old = {key: obj for key, obj in world.objects.items() if key.kind == "BookStoreRelease"}
    world.delete_store()
    world.create_store({**SPEC, "image": "api:2"})
    world.objects |= old
    world.reconcile()
    assert world.condition("Ready") == (FALSE, "Releasing")
    assert "BookStoreRelease demo-r1" in world.message("Ready")
    world.settle()  # it collects them
    assert world.switches == ["demo-r1", "demo-r1"]
    assert world.store["status"]["active"]["image"] == "api:2"


def foreign_release(world: World, *, owned: bool, **spec: Any) -> str:
    """Create a release by hand, as somebody who may: next in line, and of another program."""
    manifest = copy.deepcopy(world.get("BookStoreRelease", "demo-r2"))
    template = manifest["spec"]["podTemplate"].replace("api:2", "somebody-else:1")
    manifest["metadata"] |= {"name": "demo-r9", "uid": "made-by-hand"}
    manifest["spec"] |= {"revision": 9, "podTemplate": template, **spec}
    manifest["status"] = {}
    if not owned:
        manifest["metadata"].pop("ownerReferences")
    world.add(manifest)
    return str(manifest["metadata"]["name"])


@pytest.mark.parametrize("owned", [True, False], ids=["owned", "orphaned"])
@pytest.mark.parametrize(
    "spec",
    [{}, {"rollbackOf": "demo-r1"}, {"overrides": "demo-r2"}, {"intent": {"image": "somebody:1"}}],
    ids=lambda spec: "-".join(spec) or "template",
)
def test_a_release_that_somebody_else_has_made_is_never_acted_on(
    *, owned: bool, spec: dict[str, Any]
) -> None:
    world = World().settle()
    world.change(image="api:2").settle()
    name = foreign_release(world, owned=owned, **spec)
    world.done.clear()
    world.steps(8)
    assert "somebody" not in repr([a for a in world.done if isinstance(a, Apply)])
    assert not [job for job in world.all("Job") if name in job["metadata"]["name"]]
    assert world.condition("Ready") == (FALSE, "RecordInvalid")
    assert f"kubectl delete bookstorerelease --namespace shop {name}" in world.message("Ready")
    assert world.condition("Available") == (TRUE, "Serving")
    world.lose("Service").steps(3)
    assert world.has("Service", "demo"), "what serves is kept right"

    world.delete_release(name)
    world.change(image="api:3").settle()
    assert world.condition("Ready") == (TRUE, "Serving")
    assert world.switches[-1] == "demo-r3"


def test_pods_of_a_former_job_of_the_same_name_count_for_nothing() -> None:
    """A BookStore was deleted, and one of its name applied: their Jobs have the same names."""
    world = World(spec=copy.deepcopy(SPEC))
    world.migration = None
    world.run_until(lambda w: w.has("Job", "demo-r1-expand")).step()
    message = {**MIGRATED, "schemaAfter": ["of_the_former"]}
    ended = {"exitCode": 0, "message": json.dumps(message), "finishedAt": "2026-01-01T00:00:00Z"}
    labels = {"batch.kubernetes.io/job-name": "demo-r1-expand", "bookstore.dev/store": "demo"}
    world.add(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "demo-r1-expand-former",
                "uid": "former-pod",
                "labels": {**labels, "app.kubernetes.io/component": "migration"},
                "ownerReferences": [{"kind": "Job", "name": "demo-r1-expand", "uid": "former"}],
            },
            "spec": {},
            "status": {
                "phase": "Succeeded",
                "containerStatuses": [{"name": "migrate", "state": {"terminated": ended}}],
            },
        }
    )
    world.steps(5)
    assert world.release("demo-r1")["stage"] == "Expand", "its own migration still runs"
    world.migration = MIGRATED
    world.settle()
    assert world.store["status"]["schema"] == "0001_books"
