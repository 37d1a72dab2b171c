"""The Ingress on a real API server: whose it is, what it follows, who may have a host."""

import json
from typing import Any

import pytest

from tests.cluster.conftest import Shop, image
from tests.support.kube import wait_for

pytestmark = pytest.mark.cluster

SECONDS = 30
INGRESS = "networking.k8s.io/v1/ingresses"


def host_of(shop: Shop, suffix: str = "") -> dict[str, Any]:
    """Return an Ingress for a host of the test's own."""
    return {"host": f"{shop.namespace}{suffix}.example"}


def routed(shop: Shop, name: str = "demo") -> str:
    """Return the host of an Ingress; empty if there is none."""
    ingress = shop.get(INGRESS, name)
    return str(ingress["spec"]["rules"][0]["host"]) if ingress else ""


def addresses(shop: Shop) -> list[str]:
    store = shop.store() or {}
    listed: list[str] = store.get("status", {}).get("addresses", [])
    return listed


def report_address(shop: Shop, kind: str, **address: str) -> None:
    """Report an address, as the controller of the object does."""
    patch = {"status": {"loadBalancer": {"ingress": [address]}}}
    options = ("--type=merge", "--subresource=status", f"-p={json.dumps(patch)}")
    shop.kubectl("patch", kind, "demo", *options)


def test_an_ingress_and_a_load_balancer_outlive_releases_and_go_with_their_fields(
    operated: Shop,
) -> None:
    exposed: dict[str, Any] = {
        "ingress": {**host_of(operated), "tlsSecretName": "books", "className": "books"},
        "service": {"type": "LoadBalancer", "loadBalancerClass": "example.com/none"},
    }
    operated.apply(replicas=1, **exposed)
    operated.ready()
    operated.reports("Exposed", "WaitingForAddress", "Ingress demo and Service demo")
    report_address(operated, "ingress", ip="192.0.2.7")
    report_address(operated, "service", hostname="lb.example")
    operated.reports("Exposed", "AddressAssigned", "192.0.2.7", "lb.example", status="True")
    wait_for(lambda: addresses(operated) == ["192.0.2.7", "lb.example"], SECONDS, "the addresses")
    before = operated.require(INGRESS, "demo")["metadata"]

    operated.apply(replicas=1, image=image("2"), **exposed)
    operated.ready(image=image("2"))
    after = operated.require(INGRESS, "demo")["metadata"]
    assert (after["uid"], after["generation"]) == (before["uid"], before["generation"])
    assert addresses(operated) == ["192.0.2.7", "lb.example"]

    operated.apply(replicas=1, image=image("2"))
    wait_for(lambda: not routed(operated), SECONDS, "the Ingress to go")
    operated.reports("Exposed", "NotConfigured", status="Unknown")
    assert operated.require("v1/services", "demo")["spec"]["type"] == "ClusterIP"
    assert len(operated.list("bookstorereleases")) == 2


def test_an_ingress_of_somebody_else_is_not_taken(operated: Shop) -> None:
    backend = {"service": {"name": "other", "port": {"number": 80}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    foreign = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "demo"},
        "spec": {"rules": [{"host": "other.example", "http": {"paths": [path]}}]},
    }
    operated.kubectl.apply(foreign)
    operated.apply(replicas=1, ingress=host_of(operated))
    operated.reports("Ready", "NameConflict", "Ingress", "does not belong")
    assert routed(operated) == "other.example"
    wait_for(lambda: operated.get("v1/services", "demo"), SECONDS, "the release to serve")
    operated.apply(replicas=1)
    operated.ready()
    assert routed(operated) == "other.example", "the field was removed, not this Ingress"


def test_a_host_stays_with_the_bookstore_that_had_it_first(operated: Shop) -> None:
    """Kubernetes accepts both; which one controllers use is up to them."""
    operated.apply(replicas=1, ingress=host_of(operated))
    wait_for(lambda: routed(operated), SECONDS, "the first Ingress")
    operated.apply("other", replicas=1, ingress=host_of(operated))
    operated.reports("Exposed", "HostConflict", "belong to BookStore demo", name="other")
    operated.ready("other")
    assert not routed(operated, "other")

    operated.apply("other", replicas=1, ingress=host_of(operated, "-2"))
    wait_for(lambda: routed(operated, "other"), SECONDS, "the Ingress of another host")
    operated.apply(replicas=1, ingress=host_of(operated, "-2"))
    operated.reports("Exposed", "HostConflict", "belong to BookStore other")
    assert routed(operated) == host_of(operated)["host"], "the Ingress that serves is kept"
