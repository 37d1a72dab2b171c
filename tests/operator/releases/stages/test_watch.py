"""Watch: a release that serves worse than the one before it is switched back, and says why."""

import copy
from datetime import datetime, timedelta
from typing import Any

import pytest

from bookstore_operator.core.plan import EventType
from bookstore_operator.decide import decide
from tests.support.world import World

pytestmark = pytest.mark.scenario


def watched(**watch: Any) -> World:
    """Return a BookStore that serves api:1, with the defaults of a watch."""
    spec = {"image": "api:1", "rollout": {"watch": watch}} if watch else {"image": "api:1"}
    return World(spec=spec, quick=False).settle(200)


def release_bad(world: World, **shares: float) -> World:
    """Release api:2, whose answers have these percentages of errors or slow ones."""
    for name, percent in shares.items():
        getattr(world.traffic, name)["api:2"] = percent
    return world.change(image="api:2").reach("Watch")


def result(world: World, name: str = "demo-r2") -> str:
    known = world.has("BookStoreRelease", name)
    return str(world.release(name).get("result")) if known else "none"


def image(world: World) -> str:
    return str(world.store["status"]["active"]["image"])


def back(world: World) -> World:
    return world.run_until(lambda w: result(w) == "RolledBack")


def test_a_good_release_passes_with_its_counts_in_the_record() -> None:
    world = release_bad(watched())
    begin = world.now
    world.steps(3)
    assert world.condition("Ready") == ("False", "Watching")
    world.reach("Drain")
    assert world.now - begin >= timedelta(seconds=60)
    assert world.condition("Available") == ("True", "Serving")
    assert world.condition("Ready") == ("True", "Serving"), "from the end of Watch on"
    watch = world.release("demo-r2")["watch"]
    assert watch["result"] == "Passed"
    assert 580 <= watch["counts"]["requests"] <= 660
    assert watch["counts"]["errors"] == watch["counts"]["restarts"] == 0
    assert watch["tally"].get("pods", []) == []


def test_the_first_release_is_not_watched_but_smoke_tested() -> None:
    world = World(spec={"image": "api:1"}, quick=False)
    begin = world.now
    world.run_until(lambda w: result(w, "demo-r1") == "Succeeded")
    assert world.now - begin < timedelta(seconds=60)
    assert world.has("Job", "demo-r1-smoke")
    assert "watch" not in world.release("demo-r1")


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ({"errors": 20.0}, ["% of", "status of 500", "maxErrorPercent is 5"]),
        ({"slow": 30.0}, ["% of", "longer than 1000 ms", "maxSlowPercent is 10"]),
    ],
)
def test_a_breach_switches_back_within_ten_seconds(
    shares: dict[str, float], words: list[str]
) -> None:
    world = release_bad(watched(), **shares)
    begin = world.now
    back(world)
    assert world.now - begin <= timedelta(seconds=10)
    assert image(world) == "api:1"
    selector = world.get("Service", "demo")["spec"]["selector"]
    assert selector["bookstore.dev/revision"] == "1"
    assert world.condition("Available") == ("True", "Serving")
    for place in (world.release("demo-r2")["message"], world.message("Ready")):
        assert all(word in place for word in words), place
    assert world.condition("Ready") == ("False", "RolledBack")
    told = [e for e in world.events if e.reason == "ReleaseRolledBack"]
    assert len(told) == 1
    assert told[0].type is EventType.WARNING
    assert all(word in told[0].message for word in words)
    world.settle(200)
    assert world.switches == ["demo-r1", "demo-r2", "demo-r1"]
    assert world.replicas("green") == 0


def test_after_a_breach_only_a_changed_spec_releases_again() -> None:
    world = back(release_bad(watched(), errors=20.0)).settle(200)
    world.restart_operator().wait(3600).settle()
    assert world.switches[-1] == "demo-r1"
    world.change(image="api:3").settle(200)
    assert image(world) == "api:3"
    assert result(world, "demo-r3") == "Succeeded"


def test_a_restart_is_a_breach() -> None:
    world = release_bad(watched())
    pod = next(p for p in world.all("Pod") if p["metadata"]["name"] == "demo-green-0")
    world.traffic.restart(pod)
    back(world)
    assert "restarted 1 times" in world.release("demo-r2")["message"]


def test_restarts_before_the_switch_are_none_of_the_watch() -> None:
    world = watched()
    world.change(image="api:2").reach("Start")
    world.run_until(lambda w: w.has("Pod", "demo-green-0"))
    pod = world.get("Pod", "demo-green-0")
    statuses = pod["status"].setdefault("containerStatuses", [{"name": "api"}])
    statuses[0]["restartCount"] = 3
    world.reach("Drain")
    assert world.release("demo-r2")["watch"]["counts"]["restarts"] == 0


def test_a_green_without_available_pods_is_a_breach() -> None:
    world = release_bad(watched())
    world.broken.add("api:2")
    world.tick()
    back(world)
    assert "None of its Pods is available" in world.release("demo-r2")["message"]


def test_a_release_as_bad_as_the_one_before_is_no_regression() -> None:
    world = watched()
    world.traffic.errors = {"api:1": 20.0, "api:2": 22.0}
    world.wait(600)
    world.change(image="api:2").reach("Drain")
    baseline = world.release("demo-r2")["baseline"]
    assert baseline["counts"]["errors"] > 0
    assert world.release("demo-r2")["watch"]["result"] == "Passed"


def test_a_release_clearly_worse_than_a_bad_one_is_switched_back() -> None:
    world = watched()
    world.traffic.errors = {"api:1": 20.0, "api:2": 50.0}
    world.wait(600)
    back(world.change(image="api:2"))
    assert "of the release before it were 2" in world.release("demo-r2")["message"]


def test_too_little_traffic_promotes_by_default() -> None:
    world = watched()
    world.traffic.per_second = 0.1
    release_bad(world, errors=100.0).reach("Drain")
    watch = world.release("demo-r2")["watch"]
    assert watch["result"] == "Inconclusive"
    assert "fewer than spec.rollout.watch.minRequests, 20" in watch["message"]


def test_an_inconclusive_watch_can_roll_back() -> None:
    world = watched(onInconclusive="RollBack")
    world.traffic.per_second = 0.0
    back(release_bad(world))
    assert "fewer than" in world.release("demo-r2")["message"]
    assert image(world) == "api:1"


def held() -> World:
    world = watched(onInconclusive="Hold")
    world.traffic.per_second = 0.0
    release_bad(world)
    return world.run_until(lambda w: w.condition("Ready") == ("False", "WatchInconclusive"))


def decide_by_hand(world: World, **spec: bool) -> None:
    record = world.get("BookStoreRelease", "demo-r2")
    record["spec"] = {**record["spec"], **spec}


def test_an_inconclusive_watch_can_wait_for_a_person() -> None:
    world = held()
    for _ in range(20):
        world.wait(3600).step()
    assert world.condition("Ready") == ("False", "WatchInconclusive")
    assert "watchApproved" in world.message("Ready")
    assert image(world) == "api:2"
    record = world.release("demo-r2")
    assert record["reason"] == "WatchInconclusive", "the record says that it is held, and for whom"
    assert "watchApproved" in record["message"]
    decide_by_hand(world, watchApproved=True)
    world.run_until(lambda w: bool(w.release("demo-r2")["watch"].get("result")))
    assert world.release("demo-r2")["reason"] != "WatchInconclusive"
    assert "A person has approved" in world.release("demo-r2")["message"]
    world.settle(200)
    assert result(world) == "Succeeded"
    assert world.release("demo-r2")["watch"]["result"] == "Inconclusive"


def test_a_held_watch_is_aborted_by_a_switch_back() -> None:
    world = held()
    decide_by_hand(world, aborted=True)
    world.settle(200)
    assert image(world) == "api:1"


def test_a_held_watch_ends_with_enough_traffic_or_with_the_next_release() -> None:
    world = held()
    world.traffic.per_second = 10.0
    world.reach("Drain")
    assert world.release("demo-r2")["watch"]["result"] == "Passed"
    assert world.release("demo-r2")["message"] == "Revision 2 serves users."
    world = held()
    world.change(image="api:3").run_until(lambda w: image(w) == "api:3", 100)


def test_limits_are_judged_while_held_and_while_paused() -> None:
    world = held()
    world.traffic.per_second, world.traffic.errors = 10.0, {"api:2": 50.0}
    back(world)
    world = release_bad(watched()).change(paused=True)
    world.traffic.errors = {"api:2": 50.0}
    back(world)
    assert image(world) == "api:1"
    assert world.get("Service", "demo")["spec"]["selector"]["bookstore.dev/revision"] == "1"


def test_metrics_that_can_no_longer_be_read_are_inconclusive_and_named() -> None:
    world = release_bad(watched(onInconclusive="Hold"))
    world.traffic.unreadable["api:2"] = "it does not answer in time"
    world.run_until(lambda w: w.condition("Ready")[1] == "WatchInconclusive", 100)
    assert "can't be read: it does not answer in time" in world.message("Ready")


def test_a_breach_without_a_way_back_is_reported_until_there_is_one() -> None:
    world = release_bad(watched())
    world.traffic.errors["api:2"] = 50.0
    world.broken.add("api:1")
    world.tick()
    world.run_until(lambda w: w.condition("Ready") == ("False", "LimitsExceeded"))
    assert world.condition("Stalled") == ("True", "LimitsExceeded")
    assert "not all Pods of the release before" in world.message("Ready")
    world.broken.discard("api:1")
    world.tick()
    back(world)


def test_what_a_pod_has_counted_is_kept_when_it_is_gone() -> None:
    world = release_bad(watched(maxRestarts=5))
    for _ in range(8):
        world.step()
    before = world.release("demo-r2")["watch"]["counts"]["requests"]
    assert before > 0
    pod = world.get("Pod", "demo-green-0")
    world.traffic.restart(pod)
    world.reach("Drain")
    counts = world.release("demo-r2")["watch"]["counts"]
    assert counts["restarts"] == 1
    assert counts["requests"] > before + 200, "two processes of one Pod are added up"


def test_an_operator_killed_in_watch_goes_on_with_its_record() -> None:
    """The records suffice: the counts at the switch are still subtracted, the end is the same."""
    world = release_bad(watched())
    end: datetime | None = None
    while world.release("demo-r2")["stage"] == "Watch":
        world.restart_operator()
        for count in (1, 2, None):
            world.reconcile(stop_after=count)
        world.steps(4)
        end = world.now
    watch = world.release("demo-r2")["watch"]
    assert watch["result"] == "Passed"
    assert watch["counts"]["requests"] <= 10 * 75
    served = datetime.fromisoformat(world.release("demo-r2")["servedAt"])
    assert end is not None
    assert timedelta(seconds=60) <= end - served <= timedelta(seconds=80)


def test_the_next_release_waits_for_the_watch() -> None:
    world = release_bad(watched()).change(image="api:3")
    begin = world.now
    world.run_until(lambda w: w.has("BookStoreRelease", "demo-r3"), 100)
    assert world.now - begin >= timedelta(seconds=50)
    assert world.release("demo-r2")["watch"]["result"] == "Passed"


def test_a_decision_without_measurements_works_as_the_plugin_makes_it() -> None:
    world = release_bad(watched())
    world.measured = {}
    plan = decide(world.snapshot(), world.now)
    assert plan.measurements
    later = decide(world.snapshot(), world.now + timedelta(hours=1))
    assert not any("RolledBack" in str(action) for action in later.actions)


def test_a_prometheus_is_asked_instead_of_the_pods() -> None:
    world = watched(
        prometheus={
            "url": "http://prometheus:9090",
            "requests": "requests {{ color }}",
            "errors": "errors {{ color }}",
            "slow": "slow",
        }
    )
    world.traffic.unreadable = {"api:1": "mTLS", "api:2": "mTLS"}
    world.traffic.prometheus = {
        "requests": 500.0,
        "errors blue": 0.0,
        "errors green": 100.0,
        "slow": 0.0,
    }
    back(world.change(image="api:2"))
    assert "20.0 % of 500 requests" in world.release("demo-r2")["message"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [(None, "returns no data"), ("the query returns NaN", "NaN"), ("HTTP 500", "HTTP 500")],
)
def test_a_prometheus_without_a_number_is_inconclusive(answer: str | None, words: str) -> None:
    source = {
        "url": "http://prometheus:9090",
        "requests": "requests",
        "errors": "errors",
        "slow": "slow",
    }
    world = watched(prometheus=source, onInconclusive="Hold")
    world.traffic.prometheus = {"requests": 500.0, "errors": 0.0, "slow": 0.0}
    world.change(image="api:2").reach("Watch")
    world.traffic.prometheus["errors"] = answer
    world.run_until(lambda w: w.condition("Ready")[1] == "WatchInconclusive", 100)
    assert words in world.message("Ready")


def test_the_active_service_selects_ready_pods_of_one_revision_all_the_time() -> None:
    world = watched()
    world.traffic.errors["api:3"] = 50.0
    for number in (2, 3, 4):
        world.change(image=f"api:{number}")
        for _ in range(60):
            world.step()
            selector = world.get("Service", "demo")["spec"]["selector"]
            chosen = [
                p for p in world.all("Pod") if selector.items() <= p["metadata"]["labels"].items()
            ]
            assert chosen
            assert {p["metadata"]["labels"]["bookstore.dev/revision"] for p in chosen} == {
                selector["bookstore.dev/revision"]
            }
            assert all(p["status"]["conditions"][0]["status"] == "True" for p in chosen)
    assert world.switches == ["demo-r1", "demo-r2", "demo-r3", "demo-r2", "demo-r4"]


def test_a_stale_beginning_is_replaced_after_a_manual_approval() -> None:
    """Testers use the preview while it waits: what they met is not held against the release."""
    world = watched()
    world.change(rollout={"promotion": "Manual"}).change(image="api:2").reach("Approve")
    for pod in world.all("Pod"):
        if pod["metadata"]["name"].startswith("demo-green"):
            world.traffic.counts[pod["metadata"]["uid"]] = (1000.0, 900.0, 0.0)
    world.wait(3600)
    decide_by_hand(world, approved=True)
    world.reach("Drain")
    counts = world.release("demo-r2")["watch"]["counts"]
    assert counts["errors"] == 0
    assert copy.copy(counts["requests"]) < 1000
