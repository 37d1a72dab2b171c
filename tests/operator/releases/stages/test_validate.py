"""Stage Validate: nothing is changed before the image is known to be usable."""

import pytest

from bookstore_operator.core.plan import Create
from tests.support.cases.failures import UNPULLABLE
from tests.support.world import DESCRIBED, Object, World

pytestmark = pytest.mark.scenario

JOB = "demo-r2-validate"
NO_COMMAND = "Usage: bookstore-api [OPTIONS] COMMAND\n\nError: No such command 'contract'.\n"


@pytest.fixture
def world() -> World:
    """Return a BookStore that is ready at revision 1."""
    return World().settle()


def created(world: World) -> list[str]:
    names = [a.manifest["metadata"]["name"] for a in world.done if isinstance(a, Create)]
    return [name for name in names if "-r2-" in name]


def test_an_image_that_can_not_be_pulled_changes_nothing_and_is_named(world: World) -> None:
    world.ailing["Check/api:2"] = UNPULLABLE
    world.change(image="api:2").reach("Validate")
    world.run_until(lambda w: w.condition("Ready")[1] == "ImagePullFailed")
    message = world.message("Ready")
    assert "Image api:2 of Pod demo-r2-validate-x can't be pulled" in message
    assert "Push it, or correct spec.image or spec.imagePullSecrets." in message
    assert created(world) == [JOB]
    assert not world.has("Deployment", "demo-green")
    assert world.condition("Available") == ("True", "Serving")


def test_an_image_that_can_not_be_pulled_fails_the_release_after_the_deadline(
    world: World,
) -> None:
    world.ailing["Check/api:2"] = UNPULLABLE
    world.change(image="api:2").reach("Validate").wait(601).settle()
    assert world.release("demo-r2")["result"] == "Failed"
    assert "can't be pulled" in world.message("Stalled")


def test_a_corrected_image_is_released_at_once(world: World) -> None:
    world.ailing["Check/api:2"] = UNPULLABLE
    world.change(image="api:2").reach("Validate").steps(1)
    world.change(image="api:3")
    world.run_until(lambda w: w.store["status"]["active"]["image"] == "api:3")
    assert not world.has("Job", JOB)
    assert world.release("demo-r2")["result"] == "Superseded"


def test_a_first_release_waits_for_its_image_and_is_stalled() -> None:
    world = World(ailing={"Check/api:1": UNPULLABLE})
    world.run_until(lambda w: w.condition("Ready")[1] == "ImagePullFailed")
    world.wait(601)
    world.run_until(lambda w: w.condition("Stalled") == ("True", "ImagePullFailed"))
    world.ailing.clear()
    world.settle()
    assert world.condition("Ready") == ("True", "Serving")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            {**DESCRIBED, "contract": 2},
            ("Image api:2 keeps version 2 of the contract", "this operator knows 1", "Use the"),
        ),
        (
            {key: value for key, value in DESCRIBED.items() if key != "contract"},
            ("Image api:2 keeps no version of the contract",),
        ),
        (
            {"command": "contract", "code": "failed", "message": "BOOKSTORE_X is malformed."},
            ("Image api:2 can't describe itself", "BOOKSTORE_X is malformed", "spec.config"),
        ),
        (
            NO_COMMAND,
            (
                "Image api:2 does not keep the contract",
                "exit code 2: Error: No such command 'contract'",
                "docs/reference/contract.md",
                "kubectl logs job/demo-r2-validate",
            ),
        ),
    ],
)
def test_an_image_that_does_not_keep_the_contract_is_named(
    world: World, answer: Object | str, words: tuple[str, ...]
) -> None:
    world.answers["contract api:2"] = answer
    world.change(image="api:2").settle()
    assert world.condition("Stalled") == ("True", "ContractNotKept")
    assert [text for text in words if text not in world.message("Stalled")] == []
    assert created(world) == [JOB], "asked once, and nothing else was made"
    assert world.condition("Available") == ("True", "Serving")
    world.change(image="api:3").settle()
    assert world.condition("Ready") == ("True", "Serving")


def test_the_image_of_the_active_release_is_not_asked_again(world: World) -> None:
    for revision, level in ((2, "debug"), (3, "warning")):
        world.change(config={"logLevel": level}).settle()
        assert not world.has("Job", f"demo-r{revision}-validate")
        (record,) = (
            c for c in world.release(f"demo-r{revision}")["checks"] if c["name"] == "validate"
        )
        assert record["reusedFrom"] == "demo-r1"
        assert record["data"]["connectionsPerPod"] == 6
    assert world.condition("Ready") == ("True", "Serving")


def test_another_pool_size_is_asked_about(world: World) -> None:
    """The image says how many connections its Pods open, with these settings."""
    world.answers["contract"] = {**DESCRIBED, "connectionsPerPod": 51}
    world.change(config={"databasePoolSize": 50}).settle()
    assert world.has("Job", JOB)
    assert world.release("demo-r2")["checks"][0]["data"]["connectionsPerPod"] == 51


def test_the_check_needs_no_database() -> None:
    world = World(database_up=False).run_until(lambda w: w.has("Job", "demo-r1-validate"))
    world.run_until(lambda w: w.release("demo-r1")["stage"] == "Expand")
    pod = world.get("Job", "demo-r1-validate")["spec"]["template"]["spec"]
    assert [volume["name"] for volume in pod["volumes"]] == ["tmp"]
    assert pod["containers"][0]["args"] == ["contract"]
