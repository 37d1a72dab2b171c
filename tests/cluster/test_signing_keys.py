"""Signing keys on a real API server: made, rotated, lost; simulated Pods load them late."""

import base64
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.cluster.conftest import Shop
from tests.cluster.plugin import run
from tests.support.kube import wait_for
from tests.support.pods_proxy import Simulation, answering

pytestmark = pytest.mark.cluster

SECRET = "demo-signing-keys"
RECORD = "bookstore.dev/signing-keys"
STEPS = {"SigningKeyPublished", "SigningKeySigns", "SigningKeyRetired"}


@dataclass
class Pods:
    """What Pods have loaded: the Secret as it is, or as it was when they were held back."""

    shop: Shop
    operator: tuple[str, ...] = ()
    """The arguments of the operator that reaches them."""
    held: list[dict[str, Any]] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        data = self.shop.require("v1/secrets", SECRET)["data"]["keys"]
        document: dict[str, Any] = json.loads(base64.b64decode(data))
        return document

    def version(self) -> str:
        loaded = self.held[0] if self.held else self.document()
        return json.dumps({"signingKeys": [*loaded["keys"]], "signingKey": loaded["signing"]})


@pytest.fixture
def pods(shop: Shop) -> Iterator[Pods]:
    """Yield the Pods of a BookStore that serves, with an operator that reaches them."""
    pods = Pods(shop)
    simulation = Simulation(lambda: shop.list("v1/pods"), version=pods.version)
    with answering(simulation) as url:
        pods.operator = ("--no-leader-election", f"--pod-proxy={url}")
        shop.start(*pods.operator)
        shop.apply(replicas=2)
        shop.ready()
        yield pods


def store(shop: Shop) -> dict[str, Any]:
    return shop.require("bookstores", "demo")


def states(shop: Shop) -> set[str]:
    keys = (store(shop)["status"].get("signingKeys") or {}).get("keys") or []
    return {key["state"] for key in keys}


def events(shop: Shop) -> list[dict[str, Any]]:
    return shop.list("events.k8s.io/v1/events", "")


def steps(shop: Shop) -> set[tuple[str, str]]:
    """Return types and reasons of the events about signing keys."""
    found = ((event["type"], event["reason"]) for event in events(shop))
    return {item for item in found if item[1] in STEPS | {"SigningKeysLost"}}


def record(shop: Shop) -> dict[str, Any]:
    annotations = shop.require("v1/secrets", SECRET)["metadata"]["annotations"]
    found: dict[str, Any] = json.loads(annotations[RECORD])
    return found


def look_again(shop: Shop) -> None:
    """Secrets are not watched: any change of an object brings the operator to look."""
    shop.kubectl("annotate", "bookstore", "demo", "--overwrite", f"touched={uuid.uuid4().hex}")


def test_keys_are_rotated_when_every_pod_has_loaded_them(shop: Shop, pods: Pods) -> None:
    first = pods.document()
    (old,) = first["keys"]
    assert len(first["keys"][old]) == 64
    shop.reports("SigningKeysHealthy", "KeysCurrent", old, status="True")
    generation = store(shop)["metadata"]["generation"]

    pods.held = [first]  # no Pod loads anything
    assert run(shop, "rotate-keys", "demo").code == 0
    shop.reports("SigningKeysHealthy", "KeysRotating", "2 Pods have not loaded", status="True")
    assert pods.document()["signing"] == old
    assert pods.document()["keys"].keys() > {old}
    assert states(shop) == {"Signing", "Published"}

    shop.operator.kill()  # while it waits: another one goes on
    shop.start(*pods.operator, log="second.log")
    pods.held = []
    wait_for(lambda: pods.document()["signing"] != old, 40, "the new key to sign")
    wait_for(lambda: states(shop) == {"Signing", "Retiring"}, 20, "its states")
    assert old in pods.document()["keys"], "tokens of it are valid"
    wait_for(lambda: "unusedSince" in record(shop)["keys"][old], 30, "each Pod to sign with it")

    past = record(shop)
    past["keys"][old]["unusedSince"] = "2026-01-01T00:00:00Z"  # as if 17 minutes had passed
    shop.kubectl("annotate", "secret", SECRET, "--overwrite", f"{RECORD}={json.dumps(past)}")
    look_again(shop)
    wait_for(lambda: old not in pods.document()["keys"], 30, "the old key to be retired")
    shop.reports("SigningKeysHealthy", "KeysCurrent", status="True")
    wait_for(lambda: steps(shop) == {("Normal", step) for step in STEPS}, 20, "its events")
    assert store(shop)["metadata"]["generation"] == generation
    assert len(shop.list("bookstorereleases")) == 1
    logs = "".join(operator.log.read_text() for operator in shop.running)
    shown = logs + json.dumps([store(shop), events(shop)])
    assert not any(key in shown for key in {**first["keys"], **pods.document()["keys"]}.values())


def test_a_deleted_secret_is_made_anew_and_said(shop: Shop, pods: Pods) -> None:
    before = pods.document()
    shop.kubectl("delete", "secret", SECRET)
    look_again(shop)
    wait_for(lambda: shop.get("v1/secrets", SECRET), 30, "a new Secret")
    assert pods.document()["keys"].keys().isdisjoint(before["keys"])
    wait_for(lambda: ("Warning", "SigningKeysLost") in steps(shop), 20, "the event")
    shop.ready()


def test_keys_of_a_user_are_not_rotated(shop: Shop, pods: Pods) -> None:
    keys = json.dumps({"signing": "k1", "keys": {"k1": "0f" * 32}})
    shop.provide("own", keys=keys)
    shop.apply(replicas=2, signingKeys={"secretName": "own"})
    shop.ready()
    wait_for(lambda: states(shop) == {"Signing"}, 20, "the state of the key")
    refused = run(shop, "rotate-keys", "demo")
    assert refused.code == 7
    assert "Secret own" in refused.error
    assert len(pods.document()["keys"]) == 1
