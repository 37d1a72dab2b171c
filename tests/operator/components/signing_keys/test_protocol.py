"""The rotation of signing keys as a state machine: Pods load late, and all fails in between."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bookstore_operator.components.signing_keys.loading import SYNC
from bookstore_operator.components.signing_keys.rotation import rotate
from bookstore_operator.core.key_sets import KeySet
from bookstore_operator.core.kinds import PODS
from bookstore_operator.core.labels import (
    COLOR_LABEL,
    REVISION_LABEL,
    ROTATE_ANNOTATION,
    Component,
    selector,
)
from bookstore_operator.core.measurements import (
    KeyScrape,
    LoadedKeys,
    Measurement,
    Result,
    Unreadable,
)
from bookstore_operator.core.plan import ChangeKeySet
from bookstore_operator.core.snapshot import OperatorSettings, Snapshot, take_snapshot
from bookstore_operator.crd.bookstore import BookStore
from tests.support.examples import scaled
from tests.support.signing import SimulatedKeys

pytestmark = [pytest.mark.scenario, pytest.mark.invariant]

SECRET = "demo-signing-keys"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
VALID = timedelta(minutes=15, seconds=30)
SLOW_SECONDS = 60
"""How long a request that was about to sign may take, and how much clocks of nodes may differ."""


@dataclass
class Pod:
    """A Pod, and the key set that its process has in memory."""

    uid: str
    loaded: KeySet
    color: str
    ready: bool = True
    """Whether it gets requests; one that is not answers nothing: its node is cut off."""
    running: bool = True
    ending: bool = False
    unready_since: datetime = BEGIN

    def manifest(self) -> dict[str, Any]:
        labels = selector("demo", Component.API)
        metadata: dict[str, Any] = {
            "name": self.uid,
            "uid": self.uid,
            "labels": {**labels, COLOR_LABEL: self.color, REVISION_LABEL: "1"},
        }
        if self.ending:
            metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        state: dict[str, Any] = {"running": {}} if self.running else {"waiting": {}}
        status = {
            "phase": "Running",
            "podIP": "10.0.0.1",
            "conditions": [{"type": "Ready", "status": str(self.ready)}],
            "containerStatuses": [{"name": "api", "state": state}],
        }
        return {**PODS.type_meta, "metadata": metadata, "status": status}


@dataclass
class Shop:
    """The Secret, the Pods, the tokens that were signed, and what the operator remembers."""

    keys: SimulatedKeys = field(default_factory=SimulatedKeys)
    pods: dict[str, Pod] = field(default_factory=dict)
    tokens: list[tuple[str, datetime]] = field(default_factory=list)
    measured: dict[Measurement, Result] = field(default_factory=dict)
    now: datetime = BEGIN
    changed_at: datetime = BEGIN
    request: str = ""

    @property
    def secret(self) -> KeySet:
        return self.keys.sets[SECRET]

    def snapshot(self) -> Snapshot:
        annotations = {ROTATE_ANNOTATION: self.request} if self.request else {}
        store = {
            "apiVersion": "bookstore.dev/v1alpha1",
            "kind": "BookStore",
            "metadata": {"name": "demo", "namespace": "shop", "annotations": annotations},
            "spec": {"image": "api:1"},
        }
        return take_snapshot(
            BookStore.model_validate(store),
            [],
            {PODS.ref(pod.uid): pod.manifest() for pod in self.pods.values()},
            secrets={SECRET: {"keys": None}},
            key_sets=MappingProxyType(dict(self.keys.sets)),
            pull_secrets={},
            warnings={},
            settings=OperatorSettings(),
            measurements=MappingProxyType(dict(self.measured)),
        )


class Protocol(RuleBasedStateMachine):
    """Whatever happens in whatever order, each valid token is accepted by each Pod."""

    def __init__(self) -> None:
        super().__init__()
        self.shop = Shop()
        self.stale: tuple[Snapshot, datetime] | None = None
        self.numbers = iter(range(10**6))

    @initialize()
    def begin(self) -> None:
        self.shop.keys.put(SECRET, "first", "first")
        for _ in range(2):
            self.start("blue")

    # The operator ------------------------------------------------------------------------------

    @rule()
    def visit(self) -> None:
        shop = self.shop
        self.act(shop.snapshot(), shop.now)

    def act(self, snapshot: Snapshot, now: datetime) -> None:
        rotation = rotate(snapshot, now)
        wanted = set(rotation.measurements)
        self.shop.measured = {k: v for k, v in self.shop.measured.items() if k in wanted}
        if rotation.step is not None:
            self.write(rotation.step)
        for scrape in wanted:
            self.shop.measured.setdefault(scrape, self.answer(scrape))

    def write(self, step: ChangeKeySet) -> None:
        if self.shop.keys.change(step):
            self.shop.changed_at = self.shop.now

    @rule()
    def measure(self) -> None:
        self.shop.measured = {scrape: self.answer(scrape) for scrape in self.shop.measured}

    def answer(self, scrape: Measurement) -> Result:
        assert isinstance(scrape, KeyScrape)
        pod = self.shop.pods.get(scrape.uid)
        if pod is None or not pod.ready or not pod.running:
            return Unreadable(self.shop.now, "it does not answer in time")
        return LoadedKeys(self.shop.now, frozenset(pod.loaded.kids), pod.loaded.signing)

    @rule()
    def freeze(self) -> None:
        """Another leader has decided nothing yet when it stops for a while."""
        self.stale = (self.shop.snapshot(), self.shop.now)

    @precondition(lambda self: self.stale is not None)
    @rule()
    def thaw(self) -> None:
        assert self.stale is not None
        rotation = rotate(*self.stale)
        if rotation.step is not None:
            self.write(rotation.step)

    @rule()
    def forget(self) -> None:
        """Restart the operator."""
        self.shop.measured = {}

    # People ------------------------------------------------------------------------------------

    @rule()
    def request(self) -> None:
        self.shop.request = str(next(self.numbers))

    @rule(text=st.sampled_from(["", "no record", json.dumps({"keys": {}})]))
    def edit_record(self, text: str) -> None:
        secret = self.shop.secret
        self.shop.keys.edit(SECRET, secret.signing, *secret.kids, record=text)

    # The cluster -------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([1, 5, 60, 299, 600, 1020, 7200, 31 * 86400]))
    def wait(self, seconds: int) -> None:
        self.shop.now += timedelta(seconds=seconds)
        if self.shop.now >= self.shop.changed_at + SYNC:
            self.sync(lambda pod: pod.ready)

    def sync(self, chosen: Any) -> None:
        for pod in self.shop.pods.values():
            if chosen(pod) and pod.running:
                pod.loaded = self.shop.secret

    @rule(data=st.data())
    def load(self, data: st.DataObject) -> None:
        if ready := [pod for pod in self.shop.pods.values() if pod.ready and pod.running]:
            data.draw(st.sampled_from(ready)).loaded = self.shop.secret

    @precondition(lambda self: len(self.shop.pods) < 5)
    @rule(color=st.sampled_from(["blue", "green"]))
    def start(self, color: str) -> None:
        uid = f"{color}-{next(self.numbers)}"
        self.shop.pods[uid] = Pod(uid, self.shop.secret, color)

    @rule(data=st.data(), what=st.sampled_from(["cut off", "heal", "crash", "end", "gone"]))
    def disturb(self, data: st.DataObject, what: str) -> None:
        if not self.shop.pods:
            return
        pod = self.shop.pods[data.draw(st.sampled_from(sorted(self.shop.pods)))]
        if what == "gone":
            del self.shop.pods[pod.uid]
        elif what == "cut off":
            pod.ready = False
        elif what == "crash":
            pod.ready = pod.running = False
        elif what == "end":
            pod.ending, pod.ready = True, False
        elif what == "heal" and not pod.ending:
            if not pod.running:  # a process that begins reads the files, which are in sync by then
                pod.loaded = self.shop.secret
            pod.ready = pod.running = True

    # Users -------------------------------------------------------------------------------------

    @rule(seconds=st.integers(0, SLOW_SECONDS))
    def sign_in(self, seconds: int) -> None:
        """Each Pod signs a token, perhaps by a request that took its keys a while ago."""
        for pod in self.shop.pods.values():
            if pod.ready:
                expires = self.shop.now + VALID + timedelta(seconds=seconds)
                self.shop.tokens.append((pod.loaded.signing, expires))

    @invariant()
    def every_key_of_a_valid_token_is_published(self) -> None:
        self.shop.tokens = [token for token in self.shop.tokens if token[1] > self.shop.now]
        for kid, _ in self.shop.tokens:
            assert kid in self.shop.secret.kids

    @invariant()
    def every_pod_accepts_every_valid_token(self) -> None:
        for pod in self.shop.pods.values():
            for kid, _ in self.shop.tokens:
                assert not pod.ready or kid in pod.loaded.kids, pod

    @invariant()
    def no_pod_signs_with_a_key_that_another_has_not(self) -> None:
        ready = [pod for pod in self.shop.pods.values() if pod.ready]
        for pod in ready:
            assert all(pod.loaded.signing in other.loaded.kids for other in ready)

    @invariant()
    def there_are_never_too_many_keys(self) -> None:
        assert not self.shop.keys.sets or len(self.shop.secret.kids) <= 8

    def teardown(self) -> None:
        """Once Pods load what there is, a rotation comes to its end: one key is left, and signs."""
        for pod in list(self.shop.pods.values()):
            pod.ready = pod.running = True
            if pod.ending:
                del self.shop.pods[pod.uid]
        for _ in range(60):
            self.sync(lambda _: True)
            self.measure()
            self.visit()
            if rotate(self.shop.snapshot(), self.shop.now).step is None:
                self.shop.now += timedelta(minutes=4)
        assert self.shop.secret.kids == (self.shop.secret.signing,)


Protocol.TestCase.settings = settings(
    max_examples=scaled(30),
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestProtocol = Protocol.TestCase


def test_the_state_machine_notices_a_key_that_signs_too_early() -> None:
    """The machine can fail: signing with a key that one Pod has not loaded breaks an invariant."""
    machine = Protocol()
    machine.begin()
    first, _second = machine.shop.pods.values()
    early = replace(machine.shop.secret, signing="new", kids=("first", "new"))
    first.loaded = early
    with pytest.raises(AssertionError):
        machine.no_pod_signs_with_a_key_that_another_has_not()
