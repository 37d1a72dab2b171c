"""Stage Start: all Pods run one image, the one that was validated."""

import pytest

from tests.support.world import World

pytestmark = pytest.mark.scenario


@pytest.fixture
def world() -> World:
    """Return a BookStore that is ready at revision 1."""
    return World().settle()


def image_ids(world: World, *ids: str) -> None:
    """Set the image IDs of green's Pods."""
    pods = [pod for pod in world.all("Pod") if pod["metadata"]["name"].startswith("demo-green")]
    for pod, image_id in zip(pods, ids, strict=True):
        pod["status"]["containerStatuses"][0]["imageID"] = image_id


def started(world: World) -> World:
    """Let the Pods of api:2 be there, before the operator has looked at them."""
    world.change(image="api:2")
    return world.run_until(lambda w: w.has("Pod", "demo-green-0") and w.has("Pod", "demo-green-1"))


def test_a_tag_that_was_pushed_again_during_the_start_is_found(world: World) -> None:
    started(world)
    image_ids(world, world.image_id("api:2"), "registry.example/x@sha256:new")
    world.settle()
    assert world.condition("Stalled") == ("True", "ImageChanged")
    for words in ("sha256:new (Pod demo-green-1)", "api:2", "Use a digest"):
        assert words in world.message("Stalled")
    assert world.switches == ["demo-r1"]
    assert world.replicas("green") == 0


IMPORTED = "docker.io/library/import-2026-11-27@sha256:"


@pytest.mark.parametrize(
    "ids",
    [
        (f"{IMPORTED}first", f"{IMPORTED}second"),
        ("sha256:config", "sha256:config"),
        ("sha256:config", f"{IMPORTED}first"),
    ],
    ids=["archives", "loaded", "mixed"],
)
def test_images_that_were_loaded_onto_nodes_are_compared_by_what_is_comparable(
    world: World, ids: tuple[str, str]
) -> None:
    """Containerd names images of an archive by the day, with the digest of the last archive."""
    started(world)
    image_ids(world, *ids)
    world.settle()
    assert world.switches == ["demo-r1", "demo-r2"]


def test_another_image_of_a_tag_that_was_loaded_onto_a_node_is_found(world: World) -> None:
    started(world)
    image_ids(world, "sha256:config", "sha256:another")
    world.settle()
    assert world.condition("Stalled") == ("True", "ImageChanged")


def test_a_tag_that_was_pushed_again_after_it_was_validated_is_found(world: World) -> None:
    started(world)
    image_ids(world, "x@sha256:new", "x@sha256:new")
    world.settle()
    assert world.condition("Stalled") == ("True", "ImageChanged")
    assert "was validated" in world.message("Stalled")


def test_a_release_of_the_same_image_must_have_the_image_that_serves(world: World) -> None:
    world.pushed["api:1"] = 1
    world.change(config={"docs": False}).settle()
    assert not world.has("Job", "demo-r2-validate"), "nothing new was validated"
    assert world.condition("Stalled") == ("True", "ImageChanged")
    assert world.switches == ["demo-r1"]


def test_the_pods_that_serve_stand_in_for_an_answer_without_an_id(world: World) -> None:
    record = world.release("demo-r1")["checks"][0]
    record["imageID"] = ""
    world.pushed["api:1"] = 1
    world.change(config={"docs": False}).settle()
    assert world.condition("Stalled") == ("True", "ImageChanged")


def test_a_pod_without_an_image_id_is_waited_for(world: World) -> None:
    started(world)
    image_ids(world, world.image_id("api:2"), "")
    world.run_until(lambda w: "has not reported the image of Pod" in w.message("Ready"))
    assert world.switches == ["demo-r1"]
    image_ids(world, *[world.image_id("api:2")] * 2)
    world.settle()
    assert world.condition("Ready") == ("True", "Serving")


def test_the_same_digest_from_another_repository_is_the_same_image(world: World) -> None:
    started(world)
    digest = world.image_id("api:2").rpartition("@")[2]
    image_ids(world, f"mirror.example/api@{digest}", f"docker.io/library/api@{digest}")
    world.settle()
    assert world.condition("Ready") == ("True", "Serving")


def test_an_image_with_a_digest_is_not_compared(world: World) -> None:
    """Its content can't change, however a runtime names what it has pulled."""
    world.change(image="api@sha256:abc")
    world.run_until(lambda w: w.has("Pod", "demo-green-1"))
    image_ids(world, "sha256:config-a", "sha256:config-b")
    world.settle()
    assert world.condition("Ready") == ("True", "Serving")


def test_a_pod_with_another_image_that_came_during_the_approval_is_found(world: World) -> None:
    world.change(image="api:2", rollout={"promotion": "Manual"}).reach("Approve")
    image_ids(world, world.image_id("api:2"), "registry.example/x@sha256:new")
    release = world.get("BookStoreRelease", "demo-r2")
    release["spec"] = {**release["spec"], "approved": True}
    world.settle()
    assert world.condition("Stalled") == ("True", "ImageChanged")
    assert world.switches == ["demo-r1"]
