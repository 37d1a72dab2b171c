"""Jobs that ask an image something: one attempt after the other, until there is an answer."""

import json
from datetime import timedelta

import pytest

from bookstore_operator.core import contract, names
from bookstore_operator.core.plan import Create, WriteStatus
from bookstore_operator.releases.checks import retry_delay
from tests.support.world import DESCRIBED, Object, World

pytestmark = pytest.mark.scenario

JOB = "demo-r2-validate"
EVICTED: Object = {
    "phase": "Failed",
    "reason": "Evicted",
    "message": "The node was low on resource: memory.",
}
KILLED: Object = {
    "phase": "Failed",
    "containerStatuses": [
        {"name": "check", "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}
    ],
}


@pytest.fixture
def world() -> World:
    """Return a BookStore that is ready at revision 1."""
    return World().settle()


def record(world: World, release: str = "demo-r2", name: str = "validate") -> Object:
    checks: list[Object] = world.release(release)["checks"]
    return next(check for check in checks if check["name"] == name)


def begin(world: World, answer: Object | str | None = None) -> World:
    """Begin to release api:2, whose `contract` answers that, or does not end."""
    world.answers["contract"] = answer
    world.change(image="api:2")
    return world.run_until(lambda w: w.has("Job", JOB)).steps(3)


def test_an_answer_is_recorded_and_outlives_its_job(world: World) -> None:
    world.change(image="api:2").settle()
    answered = record(world)
    assert answered["code"] == "described"
    assert answered["data"]["connectionsPerPod"] == 6
    assert answered["data"]["heads"] == {"expand": ["0001_books"], "contract": []}
    assert answered["imageID"] == world.image_id("api:2")
    assert (answered["attempt"], answered["created"], answered["exitCode"]) == (1, True, 0)
    world.lose("Job")
    assert world.reconcile().actions == ()


def test_an_attempt_is_recorded_before_its_job_is_created(world: World) -> None:
    world.done.clear()
    world.change(image="api:2").settle()
    creations = [
        index
        for index, action in enumerate(world.done)
        if isinstance(action, Create) and action.manifest["metadata"]["name"] == JOB
    ]
    before = [
        action.status["checks"][0]
        for action in world.done[: creations[0]]
        if isinstance(action, WriteStatus) and action.status.get("checks")
    ]
    assert len(creations) == 1
    assert before[-1]["attempt"] == 1
    assert before[-1]["created"] is False


@pytest.mark.parametrize("killed_after", range(1, 5))
def test_an_operator_killed_at_any_action_asks_once(world: World, killed_after: int) -> None:
    """Between the record and the Job, and between the Job and its record, too."""
    world.answers["contract"] = None
    world.change(image="api:2")
    world.run_until(lambda w: w.has("BookStoreRelease", "demo-r2"))
    world.reconcile(stop_after=killed_after)
    world.answers.clear()
    world.settle()
    made = [
        a for a in world.done if isinstance(a, Create) and JOB in a.manifest["metadata"]["name"]
    ]
    assert len(made) == 1
    assert world.release("demo-r2")["result"] == "Succeeded"
    assert record(world)["attempt"] == 1


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (EVICTED, "Its Pod was ended (Evicted): The node was low on resource: memory"),
        (KILLED, "It ran out of memory: raise spec.migration.resources.limits.memory"),
    ],
)
def test_a_pod_that_was_ended_is_no_answer(world: World, status: Object, cause: str) -> None:
    world.lost["contract"] = status
    world.change(image="api:2")
    world.run_until(lambda w: w.condition("Ready") == ("False", "CheckRetry"))
    assert cause in world.message("Ready")
    assert "Retrying in 5 s." in world.message("Ready")
    world.lost.clear()
    world.settle()
    assert world.release("demo-r2")["result"] == "Succeeded"
    assert record(world)["attempt"] == 2


def test_a_command_that_was_interrupted_has_not_failed(world: World) -> None:
    """SIGTERM ends a command with the code `failed`, which is about the Pod and not the image."""
    failed = {"exitCode": 1, "message": json.dumps({**DESCRIBED, "code": "failed"})}
    disrupted = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
    world.lost["contract"] = {
        "phase": "Failed",
        "conditions": [disrupted],
        "containerStatuses": [{"name": "check", "state": {"terminated": failed}}],
    }
    world.change(image="api:2")
    world.run_until(lambda w: w.condition("Ready") == ("False", "CheckRetry"))
    assert "EvictionByEvictionAPI" in world.message("Ready")


def test_a_policy_that_deletes_each_job_as_it_ends_fails_the_release(world: World) -> None:
    """A TTL of 0 may lose the result each time. Blue goes on serving; the message says why."""
    world.change(image="api:2")
    for _ in range(200):
        world.step()
        for name in [job["metadata"]["name"] for job in world.all("Job")]:
            if "r2-validate" in name:
                world.objects = {k: o for k, o in world.objects.items() if k.name != name}
        world.tick()
    assert world.condition("Stalled") == ("True", "ProgressDeadlineExceeded")
    assert "deleted before its result was read" in world.message("Stalled")
    assert world.condition("Available") == ("True", "Serving")
    attempts = record(world)["attempt"]
    assert 3 <= attempts <= 8, "5 s, doubled up to 5 minutes, for 10 minutes"


def test_a_job_that_hangs_fails_the_release_after_the_deadline_and_is_deleted(world: World) -> None:
    begin(world)
    assert world.condition("Ready") == ("False", "Validating")
    job = world.get("Job", JOB)
    assert job["spec"]["activeDeadlineSeconds"] == 600
    world.wait(600).settle()
    assert world.condition("Stalled") == ("True", "ProgressDeadlineExceeded")
    assert not world.has("Job", JOB)


@pytest.mark.parametrize(
    "text",
    [
        "x" * 100_000,
        "[1, 2]",
        "[" * 100_000,
        '{"code": ["described"], "contract": "1", "connectionsPerPod": -1}',
        '{"code": {"a": 1}, "message": 7, "heads": [], "connections": {"server": 1}}',
    ],
)
def test_whatever_an_image_writes_ends_one_release_only(world: World, text: str) -> None:
    begin(world, text).settle()
    assert world.release("demo-r2")["reason"] == "ContractNotKept"
    assert len(world.message("Stalled")) <= 4096
    assert len(record(world).get("message", "")) <= 1024
    assert world.condition("Available") == ("True", "Serving")
    world.answers.clear()
    world.change(image="api:3").settle()
    assert world.store["status"]["active"]["image"] == "api:3"


def test_a_check_of_a_release_that_is_no_longer_wanted_blocks_nothing(world: World) -> None:
    """Measured before: a typo in the image blocked the next good image for 10 minutes."""
    begin(world)
    world.answers["contract api:3"] = DESCRIBED
    began = world.now
    world.change(image="api:3").settle()
    assert not world.has("Job", JOB)
    assert world.store["status"]["active"]["image"] == "api:3"
    assert world.now - began <= timedelta(seconds=60), "the drain of the old color"


def test_a_spec_set_back_deletes_the_check_at_once(world: World) -> None:
    begin(world)
    world.change(image="api:1").settle()
    assert world.condition("Ready") == ("True", "Serving")
    assert not world.has("Job", JOB)


def test_a_check_whose_own_container_has_ended_is_left_to_its_controller(world: World) -> None:
    """The kubelet reports the container before the Job has its condition."""
    world.change(image="api:2").run_until(lambda w: w.has("Job", JOB))
    world.tick()
    world.get("Job", JOB)["status"] = {"active": 1}
    world.reconcile()
    world.reconcile()
    assert record(world)["code"] == "described"
    assert world.has("Job", JOB)


def test_a_check_that_only_a_mesh_keeps_running_is_deleted(world: World) -> None:
    world.change(image="api:2").run_until(lambda w: w.has("Job", JOB))
    world.tick()
    world.get("Job", JOB)["status"] = {"active": 1}
    proxy = {"name": "istio-proxy", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
    world.get("Pod", f"{JOB}-x")["status"]["containerStatuses"].append(proxy)
    world.reconcile()
    assert record(world)["code"] == "described"
    assert not world.has("Job", JOB)


def test_a_job_that_ended_is_not_deleted_with_its_release_in_progress(world: World) -> None:
    world.change(image="api:2").settle()
    assert world.has("Job", JOB), "its log explains the answer; its TTL deletes it"
    assert world.get("Job", JOB)["spec"]["ttlSecondsAfterFinished"] == 3600


def test_the_delay_between_attempts_doubles_up_to_five_minutes() -> None:
    seconds = [retry_delay(attempt).total_seconds() for attempt in (1, 2, 3, 7, 8, 99)]
    assert seconds == [5, 10, 20, 300, 300, 300]


def test_the_name_of_a_job_has_at_most_63_characters_and_stays_unique() -> None:
    release = names.release("a" * 40, 1_000_000, 100)
    made = {names.check_job(release, "compatible", attempt) for attempt in (1, 2, 3)}
    assert len(made) == 3
    assert all(len(name) <= 63 for name in made)
    assert names.check_job("demo-r2", "validate") == JOB


@pytest.mark.parametrize(
    ("value", "limit"),
    [({"limit": 97, "heldByOthers": 3}, 97), ({"limit": None, "heldByOthers": 3}, None)],
)
def test_a_limit_of_null_is_none_and_a_missing_one_unknown(
    value: Object, limit: int | None
) -> None:
    read = contract.read_outcome({"connections": {"server": value, "pooled": False}})
    connections = read.answer.connections
    assert connections is not None
    assert connections.server is not None
    assert connections.server.limit == limit
    assert connections.role is None


@pytest.mark.parametrize(
    "value", [{"limit": True}, {"limit": "97"}, {"limit": 2**40}, {}, None, [], {"limit": 5.5}]
)
def test_a_limit_of_another_type_is_unknown(value: object) -> None:
    read = contract.read_outcome({"connections": {"server": value}})
    assert read.answer.connections is not None
    assert read.answer.connections.server is None
    assert read.answer.connections.pooled, "what is not said can't be counted on"
