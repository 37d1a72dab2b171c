"""Stage Compatible: the code that serves is asked whether it works on the new schema."""

from datetime import timedelta

import pytest

from tests.support.world import CURRENT, MIGRATED, Object, World

pytestmark = pytest.mark.scenario

JOB = "demo-r2-compatible"


def answer(code: str, message: str = "Column books.title is gone.") -> Object:
    return {"command": "check-schema", "code": code, "message": message}


@pytest.fixture
def world() -> World:
    """Return a BookStore that is ready at revision 1."""
    return World().settle()


def test_the_old_image_is_asked_about_the_new_schema(world: World) -> None:
    world.change(image="api:2").settle()
    (container,) = world.get("Job", JOB)["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container["args"]) == ("api:1", ["check-schema"])
    assert [mount["name"] for mount in container["volumeMounts"]] == ["tmp", "database"]
    assert world.get("Job", JOB)["metadata"]["labels"]["bookstore.dev/release"] == "demo-r2"
    assert world.condition("Ready") == ("True", "Serving")


def test_code_that_is_older_than_the_schema_passes(world: World) -> None:
    world.answers["check-schema api:1"] = {**CURRENT, "code": "ahead"}
    world.change(image="api:2").settle()
    assert world.release("demo-r2")["result"] == "Succeeded"


@pytest.mark.parametrize("code", ["incompatible", "behind"])
def test_what_the_old_code_can_not_work_with_goes_no_further(world: World, code: str) -> None:
    world.answers["check-schema api:1"] = answer(code)
    world.change(image="api:2").settle()
    assert world.condition("Stalled") == ("True", "SchemaIncompatible")
    for words in (
        "Image api:1, which serves, does not work on the schema that demo-r2 has migrated",
        "Column books.title is gone.",
        "Revision 1 goes on serving",
        "add an expand migration",
    ):
        assert words in world.message("Stalled")
    assert not world.has("Deployment", "demo-green")
    assert world.condition("Available") == ("True", "Serving")
    assert world.switches == ["demo-r1"]


def test_a_release_that_changes_no_schema_repairs_it(world: World) -> None:
    """A fix is not held up by what an earlier release has broken: it makes nothing worse."""
    world.answers["check-schema api:1"] = answer("incompatible")
    world.change(image="api:2").settle()
    world.migration = {**MIGRATED, "code": "nothing-to-do", "schemaBefore": ["0001_books"]}
    world.change(image="api:3").settle()
    assert not world.has("Job", "demo-r3-compatible")
    assert world.store["status"]["active"]["image"] == "api:3"


def test_what_an_attempt_that_failed_has_changed_is_checked(world: World) -> None:
    """The attempt that succeeds finds nothing to do, but one before it has changed the schema."""
    world.migration = {**MIGRATED, "code": "failed"}
    world.change(image="api:2").run_until(lambda w: w.condition("Ready")[1] == "MigrationRetry")
    world.migration = {**MIGRATED, "code": "nothing-to-do", "schemaBefore": ["0001_books"]}
    world.settle()
    assert world.has("Job", JOB)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("unreachable", "DatabaseUnreachable"),
        ("authentication-failed", "DatabaseAuthenticationFailed"),
        ("failed", "CheckRetry"),
    ],
)
def test_what_could_not_be_found_out_is_asked_again_until_the_deadline(
    world: World, code: str, reason: str
) -> None:
    world.answers["check-schema api:1"] = answer(code, "It went wrong.")
    world.change(image="api:2").run_until(lambda w: w.condition("Ready") == ("False", reason))
    assert "It went wrong. " in world.message("Ready")
    began = world.now
    world.settle(100)
    assert world.condition("Stalled") == ("True", "ProgressDeadlineExceeded")
    assert timedelta(seconds=590) <= world.now - began <= timedelta(seconds=700)
    assert not world.has("Deployment", "demo-green")
    jobs = [job["metadata"]["name"] for job in world.all("Job") if JOB in job["metadata"]["name"]]
    assert len(jobs) <= 8


def test_an_answer_before_the_deadline_continues(world: World) -> None:
    world.answers["check-schema api:1"] = answer("unreachable")
    world.change(image="api:2")
    world.run_until(lambda w: w.condition("Ready")[1] == "DatabaseUnreachable")
    world.answers.clear()
    world.settle()
    assert world.release("demo-r2")["result"] == "Succeeded"


def test_an_old_image_without_the_command_is_named(world: World) -> None:
    world.answers["check-schema api:1"] = "Error: No such command 'check-schema'.\n"
    world.change(image="api:2").settle()
    assert world.condition("Stalled") == ("True", "ContractNotKept")
    assert "Image api:1 can't say whether" in world.message("Stalled")


def test_a_first_release_and_one_of_the_same_image_ask_nothing(world: World) -> None:
    assert not world.has("Job", "demo-r1-compatible")
    world.change(config={"logLevel": "debug"}).settle()
    made = [j["metadata"]["name"] for j in world.all("Job") if "-r2-" in j["metadata"]["name"]]
    assert made == ["demo-r2-smoke"], "the settings are others, the code is not"
    assert world.release("demo-r2")["result"] == "Succeeded"


def test_an_answer_about_another_database_is_void() -> None:
    """The volume was replaced: the release starts over, and asks again."""
    world = World().settle()
    world.answers["check-schema"] = None
    world.change(image="api:2").run_until(lambda w: w.has("Job", JOB)).step()
    world.get("PersistentVolumeClaim", world.claim)["metadata"]["uid"] = "another"
    world.answers.clear()
    world.settle()
    checks = {check["name"]: check for check in world.release("demo-r2")["checks"]}
    assert checks["compatible"]["database"] == "another"
    assert checks["compatible"]["attempt"] == 2
    assert checks["validate"]["attempt"] == 1, "which is about no database"
