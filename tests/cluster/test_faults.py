"""An API server that errs: the operator retries within bounds, gets there, or ends and says so."""

import itertools
import json
import time
import urllib.error
import urllib.request
from functools import partial
from typing import Any

import pytest

from tests.cluster.conftest import Shop, image
from tests.support import faulty
from tests.support.faulty import Fault, Proxy, Rule, Seen
from tests.support.kube import wait_for
from tests.support.operators import Operator

pytestmark = pytest.mark.cluster

SERVICE = r"/services/demo$"
SERVICES = r"/services$"
JOBS = {"demo-r1-validate", "demo-r1-expand", "demo-r1-budget", "demo-r1-smoke"}
"""All Jobs of a first release; another attempt at one would have a name of its own."""


def start(shop: Shop, proxy: Proxy, log: str = "", namespace: str = "") -> Operator:
    """Start an operator behind a proxy, and wait for all its watches."""
    kubeconfig = proxy.kubeconfig(
        shop.cluster.operator_kubeconfig, shop.log.with_name(f"{log}proxy.kubeconfig")
    )
    operator = shop.start(kubeconfig=kubeconfig, log=log, namespace=namespace)
    wait_for(lambda: operator.logged("started"), 60, "the operator to start")
    wait_for(lambda: proxy.watches() >= 13, 30, "the operator to watch")
    return operator


def gaps(met: list[Seen]) -> list[float]:
    """Seconds between requests."""
    return [later.at - earlier.at for earlier, later in itertools.pairwise(met)]


def delete_and_await(shop: Shop, plural: str, name: str, seconds: float) -> float:
    """Delete an object; return the seconds until it was recreated."""
    old = shop.get(plural, name)
    assert old is not None
    began = time.monotonic()
    shop.kubectl("delete", plural.rpartition("/")[2], name, "--wait=false")

    def is_new() -> bool:
        current = shop.get(plural, name)
        return current is not None and current["metadata"]["uid"] != old["metadata"]["uid"]

    wait_for(is_new, seconds, f"{plural} {name} to be recreated")
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("faults", "pauses"),
    [
        (
            [
                faulty.answer(500, "InternalError"),
                faulty.answer(503, "ServiceUnavailable"),
                faulty.drop,
                faulty.lose_answer,
            ],
            [0.9, 1.9, 3.9],
        ),
        (
            [
                faulty.answer(409, "Conflict"),
                faulty.answer(429, "TooManyRequests", retry_after=3),
                faulty.answer(429, "TooManyRequests"),
            ],
            [0.0, 2.9],
        ),
    ],
    ids=["away", "busy"],
)
def test_failures_are_retried_at_growing_intervals(
    shop: Shop, proxy: Proxy, faults: list[Fault], pauses: list[float]
) -> None:
    listing = proxy.fail(faults[0], r"/deployments$", watch=False, times=1)
    start(shop, proxy)
    assert listing.met
    rules = [proxy.fail(fault, SERVICE, method="PATCH", times=1) for fault in faults]
    secret = proxy.fail(faults[0], "/secrets/demo-db$", times=1)
    jobs = proxy.fail(faulty.lose_answer, "/jobs$", method="POST", times=len(JOBS))
    shop.apply(replicas=1)
    shop.ready()
    met = [seen for rule in rules for seen in rule.met]
    assert len(met) == len(faults)
    assert secret.met
    assert len(jobs.met) == len(JOBS)
    for gap, pause in zip(gaps(met), pauses, strict=False):
        assert gap >= pause, gaps(met)
    assert len(proxy.writes()) < 60, "no hot loop"
    names = {job["metadata"]["name"] for job in shop.list("batch/v1/jobs")}
    assert names == JOBS, "each Job whose answer was lost was found"
    assert len(shop.list("bookstorereleases")) == 1


def test_watches_that_fail_for_a_while_restart(shop: Shop, proxy: Proxy) -> None:
    """Changes in that time are observed, too."""
    start(shop, proxy)
    shop.apply(replicas=1)
    shop.ready()
    for name, fault in {
        "cut": faulty.drop,
        "ended at once": faulty.say(b""),
        "429": faulty.answer(429, "TooManyRequests", retry_after=1),
        "500": faulty.answer(500, "InternalError"),
        "expired": faulty.error_event(410, "Expired"),
    }.items():
        rule = proxy.fail(fault, SERVICES, watch=True, times=2)
        proxy.cut_watches(SERVICES)
        wait_for(partial(has_failed, rule), 20, f"the watch to be {name}")
        took = delete_and_await(shop, "v1/services", "demo", 20)
        print(f"{name}: repaired in {took:.1f} s")
    assert shop.operator.process.poll() is None
    assert len([seen for seen in proxy.seen if seen.watch]) < 60, "no hot loop"


@pytest.mark.nightly
@pytest.mark.timeout(400)
def test_late_watches_and_slow_etcd_cost_time_and_nothing_else(shop: Shop, proxy: Proxy) -> None:
    """Each piece of a watch is 10 s late, and some writes of each kind time out in etcd."""
    start(shop, proxy)
    shop.apply(replicas=1)
    shop.ready()
    written = len(proxy.writes())
    proxy.watch_delay = 10.0
    timed_out = faulty.answer(500, message="etcdserver: request timed out")
    for path in ("/status$", "/jobs$", "/deployments/", "/services/"):
        proxy.fail(timed_out, path, method="PATCH POST", times=2)
    shop.apply(replicas=1, image=image("2"))
    wait_for(lambda: ended(shop) == "Succeeded", 300, "the release to succeed")
    proxy.watch_delay = 0.0
    shop.ready(image=image("2"))
    assert len(proxy.writes()) - written < 90, "no hot loop"
    assert len(shop.list("bookstorereleases")) == 2


def ended(shop: Shop) -> str | None:
    release = shop.get("bookstorereleases", "demo-r2") or {}
    result: str | None = (release.get("status") or {}).get("result")
    return result


def has_failed(rule: Rule) -> bool:
    return not rule.left


@pytest.mark.parametrize(
    "fault",
    [
        faulty.answer(410, "Gone"),
        faulty.answer(422, "Invalid"),
        faulty.error_event(500, "InternalError"),
        faulty.say(b'{"type": "ADDED", "object": {"kind": "Ser\n'),
    ],
    ids=["status-410", "status-422", "error-event", "truncated-line"],
)
def test_a_dead_watch_exits_the_process_and_the_probe_reports_it(
    shop: Shop, proxy: Proxy, fault: Fault
) -> None:
    operator = start(shop, proxy)
    assert probed(operator) == {"listed": True, "leading": True}
    proxy.fail(fault, SERVICES, watch=True)
    proxy.cut_watches(SERVICES)
    fatal = wait_for(lambda: probed(operator).get("fatal"), 20, "the probe to say so")
    assert "watches failed" in fatal
    assert operator.process.wait(10) == 1
    assert operator.logged("without them the operator sees no changes")


def probed(operator: Operator) -> dict[str, Any]:
    """What /livez says; a failing one has its `fatal`."""
    port = operator.logged("Serving health probes on port")[-1]["event"].split()[-1].rstrip(".")
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=5) as answer:
            body: dict[str, Any] = json.load(answer)
            assert "fatal" not in body
    except urllib.error.HTTPError as error:
        body = json.load(error)
    return body


@pytest.mark.timeout(420)
def test_faults_that_take_minutes_to_detect(shop: Shop, proxy: Proxy) -> None:
    """All at once: a hung write, silent watches, watches that fail for good, rights taken away."""
    plane = shop.cluster.plane
    certificate = plane.folder / "pki" / "apiserver.crt"
    with (
        faulty.proxy(plane.server, certificate) as elsewhere,
        faulty.proxy(plane.server, certificate) as lawless,
    ):
        blind = start(shop, elsewhere, "blind.log", "nowhere")
        failing = elsewhere.fail(faulty.answer(500, "InternalError"), SERVICES, watch=True)
        elsewhere.cut_watches(SERVICES)
        robbed = start(shop, lawless, "robbed.log", "nowhere-else")
        hung_write_is_cancelled(shop, proxy)
        lawless.fail(faulty.answer(403, "Forbidden"), "/bookstores$", watch=False)
        silent_watches_are_detected(shop, proxy)
        wait_for(lambda: robbed.logged("may not list bookstores"), 30, "the loss to be logged")
        assert robbed.process.poll() is None, "it waits until the right is back"
        assert "may not list bookstores" in probed(robbed)["unavailableNamespaces"]["nowhere-else"]

        assert blind.process.wait(1) == 1, "long since"
        assert blind.logged("without them the operator sees no changes")
        assert len(failing.met) == 9, gaps(failing.met)
        assert gaps(failing.met)[-1] > 20


def hung_write_is_cancelled(shop: Shop, proxy: Proxy) -> None:
    start(shop, proxy)
    rule: Rule = proxy.fail(faulty.hang, SERVICE, method="PATCH", times=1)
    shop.apply(replicas=1)
    shop.ready()
    assert len(rule.met) == 1
    again = next(seen for seen in proxy.writes() if seen.at > rule.met[0].at)
    assert 29 < again.at - rule.met[0].at < 45


def silent_watches_are_detected(shop: Shop, proxy: Proxy) -> None:
    """Within kopf's 70 s; a list would do it too, but not so soon."""
    proxy.freeze_watches()
    took = delete_and_await(shop, "v1/services", "demo", 90)
    assert shop.operator.process.poll() is None
    print(f"silent watches: repaired in {took:.1f} s")
