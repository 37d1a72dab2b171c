"""Signing keys on a simulated cluster: the steps of a rotation, and what may get in its way."""

from datetime import timedelta

import pytest

from bookstore_operator.components.signing_keys.rotation import LOAD_DEADLINE, RETIRE_AFTER
from bookstore_operator.core.plan import ChangeKeySet, EventType
from tests.support.world import World

pytestmark = pytest.mark.scenario

SECRET = "demo-signing-keys"
KEYS = "SigningKeysHealthy"


def served(**spec: object) -> World:
    return World(spec={"image": "api:1", **spec}).settle()


def ask(world: World, request: str = "now") -> World:
    """Ask for a rotation, as `kubectl bookstore rotate-keys` does."""
    world.store["metadata"]["annotations"] = {"bookstore.dev/rotate-keys": request}
    return world


def states(world: World) -> dict[str, str]:
    keys = world.store["status"]["signingKeys"]["keys"]
    return {key["kid"]: key["state"] for key in keys}


def events(world: World) -> list[str]:
    return [event.reason for event in world.events if event.reason.startswith("SigningKey")]


def changes(world: World) -> list[ChangeKeySet]:
    return [action for action in world.done if isinstance(action, ChangeKeySet)]


def hold(world: World, number: int = 0) -> str:
    """Let a Pod load nothing more; returns its uid."""
    uid: str = world.all("Pod")[number]["metadata"]["uid"]
    world.keys.held[uid] = world.keys.sets[SECRET]
    return uid


def wait(world: World, time: timedelta) -> None:
    world.wait(time.total_seconds())


def test_the_first_key_signs_at_once_and_is_written_once() -> None:
    world = served()
    assert states(world) == {world.keys.sets[SECRET].signing: "Signing"}
    assert changes(world) == []
    assert world.condition(KEYS) == ("True", "KeysCurrent")


def test_a_rotation_publishes_signs_and_retires_and_releases_nothing() -> None:
    world = served()
    old = world.keys.sets[SECRET].signing
    before = world.store["metadata"]["generation"], len(world.all("BookStoreRelease"))
    ask(world).run_until(lambda w: len(w.keys.sets[SECRET].kids) == 2)
    assert world.keys.sets[SECRET].signing == old, "published first"
    world.run_until(lambda w: w.keys.sets[SECRET].signing != old)
    assert old in world.keys.sets[SECRET].kids
    new = world.keys.sets[SECRET].signing
    world.settle()
    assert states(world) == {new: "Signing"}
    steps = ["SigningKeyPublished", "SigningKeySigns", "SigningKeyRetired"]
    assert events(world) == steps
    assert {e.type for e in world.events if e.reason in steps} == {EventType.NORMAL}
    assert (world.store["metadata"]["generation"], len(world.all("BookStoreRelease"))) == before
    assert world.settle().keys.sets[SECRET].signing == new, "one request is one rotation"


def test_a_key_is_rotated_by_the_schedule() -> None:
    world = served(signingKeys={"rotateEveryDays": 7})
    first = world.keys.sets[SECRET].signing
    due = world.store["status"]["signingKeys"]["nextRotationAt"]
    wait(world, timedelta(days=7))
    assert due == world.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    world.settle()
    assert world.keys.sets[SECRET].signing != first
    assert len(world.keys.sets[SECRET].kids) == 1


def test_a_key_is_not_rotated_by_a_schedule_of_zero() -> None:
    world = served(signingKeys={"rotateEveryDays": 0})
    wait(world, timedelta(days=4000))
    assert changes(world.settle()) == []
    assert "nextRotationAt" not in world.store["status"]["signingKeys"]


def test_a_pod_that_has_not_loaded_the_key_holds_it_back_and_is_named_after_a_while() -> None:
    world = served(replicas=2)
    old = world.keys.sets[SECRET].signing
    uid = hold(world)
    name = world.all("Pod")[0]["metadata"]["name"]
    ask(world).steps(5)
    assert world.condition(KEYS) == ("True", "KeysRotating")
    wait(world, LOAD_DEADLINE)
    world.steps(3)
    assert world.condition(KEYS) == ("False", "SigningKeyNotLoaded")
    assert f"{name}: it has other keys" in world.message(KEYS)
    assert world.keys.sets[SECRET].signing == old
    assert world.condition("Ready")[0] == "True"
    del world.keys.held[uid]
    world.settle()
    assert world.condition(KEYS) == ("True", "KeysCurrent")
    assert len(states(world)) == 1


def test_a_pod_that_still_signs_with_the_old_key_keeps_it_valid() -> None:
    world = served(replicas=2)
    old = world.keys.sets[SECRET].signing
    ask(world).run_until(lambda w: len(w.keys.sets[SECRET].kids) == 2)
    hold(world)  # it has loaded the new key, and signs with the old one
    world.run_until(lambda w: w.keys.sets[SECRET].signing != old)
    wait(world, RETIRE_AFTER * 3)
    world.steps(5)
    assert old in world.keys.sets[SECRET].kids
    world.keys.held.clear()
    world.run_until(lambda w: "unusedSince" in w.keys.sets[SECRET].record)
    wait(world, RETIRE_AFTER - timedelta(minutes=1))
    world.reconcile()
    assert old in world.keys.sets[SECRET].kids, "from when the last Pod signs with the new one"
    world.settle()
    assert old not in world.keys.sets[SECRET].kids


@pytest.mark.parametrize("cut_off", ["Ready", "NotReady"])
def test_a_pod_that_does_not_answer_is_waited_for_until_it_is_gone(cut_off: str) -> None:
    world = served(replicas=2)
    old = world.keys.sets[SECRET].signing
    pod = world.all("Pod")[0]
    world.keys.silent[pod["metadata"]["uid"]] = "it does not answer in time"
    if cut_off == "NotReady":
        pod["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
    ask(world)
    world.steps(5)
    wait(world, LOAD_DEADLINE)
    world.steps(5)
    assert world.keys.sets[SECRET].signing == old
    assert "it does not answer in time" in world.message(KEYS)
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"  # evicted, and its node is lost
    world.steps(5)
    assert world.keys.sets[SECRET].signing != old


def test_pods_whose_image_knows_no_accounts_hold_nothing_back() -> None:
    world = served()
    world.keys.without_accounts = True
    old = world.keys.sets[SECRET].signing
    ask(world).settle()
    assert world.keys.sets[SECRET].signing != old


def test_a_lost_secret_is_said_and_made_anew_at_once() -> None:
    world = served()
    old = world.keys.sets[SECRET].signing
    del world.secrets[SECRET]
    world.settle()
    assert world.keys.sets[SECRET].signing != old
    (lost,) = (event for event in world.events if event.reason == "SigningKeysLost")
    assert lost.type is EventType.WARNING
    assert "refresh tokens" in lost.message
    assert world.condition(KEYS) == ("True", "KeysCurrent")


def test_a_first_secret_is_no_lost_one() -> None:
    assert "SigningKeysLost" not in events(served())


def test_keys_that_a_person_adds_verify_and_are_retired() -> None:
    world = served()
    old = world.keys.sets[SECRET].signing
    world.keys.edit(SECRET, "mine", "mine", old)
    world.run_until(lambda w: "unusedSince" in w.keys.sets[SECRET].record).reconcile()
    assert states(world) == {"mine": "Signing", old: "Retiring"}
    assert states(world.settle()) == {"mine": "Signing"}
    ask(world).settle()
    assert "mine" not in states(world)


@pytest.mark.parametrize("record", ["", "no record", '{"keys": {"gone": {}}}'])
def test_a_record_that_a_person_removes_is_written_again(record: str) -> None:
    world = served()
    ask(world).run_until(lambda w: len(w.keys.sets[SECRET].kids) == 2)
    current = world.keys.sets[SECRET]
    world.keys.edit(SECRET, current.signing, *current.kids, record=record)
    world.settle()
    assert states(world) == {world.keys.sets[SECRET].signing: "Signing"}
    assert world.keys.sets[SECRET].signing in current.kids


def test_keys_of_a_person_are_mounted_and_never_changed() -> None:
    world = World(spec={"image": "api:1", "signingKeys": {"secretName": "own", "key": "set"}})
    world.steps(3)
    assert world.condition("Ready") == ("False", "SigningSecretMissing")
    world.secrets["own"] = frozenset({"set"})
    world.keys.put("own", "k7", "k7", "k8")
    ask(world).settle()
    assert world.condition("Ready") == ("True", "Serving")
    assert states(world) == {"k7": "Signing", "k8": "Published"}
    assert changes(world) == []
    assert SECRET not in world.secrets


def test_nothing_is_rotated_while_the_bookstore_is_paused() -> None:
    world = served()
    world.change(paused=True)
    ask(world).settle()
    assert changes(world) == []


def test_a_release_in_the_middle_waits_for_pods_of_both_colors() -> None:
    world = World(spec={"image": "api:1"}, quick=False).settle()
    old = world.keys.sets[SECRET].signing
    hold(world)
    ask(world).run_until(lambda w: len(w.keys.sets[SECRET].kids) == 2)
    world.change(image="api:2")
    world.reach("Watch").steps(5)
    assert world.keys.sets[SECRET].signing == old, "a Pod of the warm color has not loaded it"
    world.settle(300)
    assert world.keys.sets[SECRET].signing != old
    assert world.condition("Ready") == ("True", "Serving")


def test_a_step_that_was_decided_on_another_secret_is_not_carried_out() -> None:
    world = served()
    ask(world)
    stale = world.snapshot()
    world.reconcile()
    assert len(world.keys.sets[SECRET].kids) == 2
    (step,) = (a for a in changes(world))
    assert stale.key_sets[SECRET].version == step.version
    assert not world.keys.change(step), "of another leader, which was frozen"
