"""Two replicas, one leader: ended, killed, frozen."""

import signal
import time
from functools import partial
from typing import Any

import pytest
import yaml

from tests.cluster.conftest import ROOT, Shop, image
from tests.support import faulty
from tests.support.faulty import Proxy
from tests.support.kube import wait_for
from tests.support.operators import Operator

pytestmark = pytest.mark.cluster


def lease_rights(namespace: str) -> list[dict[str, Any]]:
    """The manifests' own right to the Lease, moved to another namespace."""
    manifests = yaml.safe_load_all((ROOT / "manifests" / "base" / "rbac.yaml").read_text())
    chosen = [manifest for manifest in manifests if manifest["kind"] in {"Role", "RoleBinding"}]
    for manifest in chosen:
        manifest["metadata"]["namespace"] = namespace
    return chosen


def start(shop: Shop, log: str, proxy: Proxy | None = None) -> Operator:
    """Start a replica, behind a proxy if one is given."""
    target = shop.log.with_name(f"{log}.kubeconfig")
    original = shop.cluster.operator_kubeconfig
    kubeconfig = proxy.kubeconfig(original, target) if proxy else original
    return shop.start(f"--lease-namespace={shop.namespace}", kubeconfig=kubeconfig, log=log)


def has_logged(operator: Operator, words: str) -> bool:
    return bool(operator.logged(words))


def wait_until_leading(operator: Operator, seconds: float) -> float:
    """Wait until a replica leads; how long that took."""
    began = time.monotonic()
    wait_for(partial(has_logged, operator, "Leading as"), seconds, "a replica to lead")
    return time.monotonic() - began


def wait_until_standing_by(operator: Operator) -> None:
    wait_for(partial(has_logged, operator, "Standing by"), 30, "a replica to stand by")
    wait_for(partial(has_logged, operator, "started"), 30, "a replica to have started")


@pytest.mark.invariant
def test_a_standby_takes_over(shop: Shop) -> None:
    shop.kubectl.apply(*lease_rights(shop.namespace))
    first = start(shop, "first.log")
    wait_until_leading(first, 30)
    second = start(shop, "second.log")
    wait_until_standing_by(second)
    assert first.stop() == 0
    print(f"after SIGTERM: {wait_until_leading(second, 5):.1f} s")
    shop.apply(replicas=1)
    shop.ready()

    third = start(shop, "third.log")
    wait_until_standing_by(third)
    assert not third.actions(), "a standby does nothing"
    second.stop(signal.SIGKILL)
    print(f"after SIGKILL: {wait_until_leading(third, 20):.1f} s")
    shop.apply(replicas=2)
    wait_for(lambda: shop.replicas("demo-blue") == 2, 10, "the third to act")


@pytest.mark.invariant
def test_a_leader_that_was_frozen_writes_nothing_when_it_wakes(shop: Shop, proxy: Proxy) -> None:
    """Frozen in the middle of a plan, while another finished the release and made the next."""
    shop.kubectl.apply(*lease_rights(shop.namespace))
    frozen = start(shop, "frozen.log", proxy)
    wait_until_leading(frozen, 30)
    standby = start(shop, "standby.log")
    wait_until_standing_by(standby)

    # Its first visit writes much: the answer to the first write comes when all is over.
    rule = proxy.fail(faulty.held, "/namespaces/.*demo", method="PATCH POST", times=1)
    shop.apply(replicas=1)
    wait_for(lambda: rule.met, 20, "the leader to write")
    frozen.process.send_signal(signal.SIGSTOP)
    print(f"after SIGSTOP: {wait_until_leading(standby, 20):.1f} s")
    shop.ready()
    shop.apply(replicas=1, image=image("2"))
    shop.ready(image=image("2"))

    proxy.let_go()
    wait_for(lambda: rule.met[0].status, 10, "the held answer to be given")
    woken = time.monotonic()
    frozen.process.send_signal(signal.SIGCONT)
    assert frozen.process.wait(15) == 1
    assert frozen.logged("The Lease was lost")
    late = [f"{seen.method} {seen.path}" for seen in proxy.writes(woken)]
    assert late == []
    assert shop.serving() == image("2")
