"""Nothing that one BookStore holds ends the process or goes unreported."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from bookstore_operator import decide
from bookstore_operator.core.plan import Event, ObjectRef, Plan, WriteStatus
from bookstore_operator.core.snapshot import OperatorSettings, Rejection
from bookstore_operator.crd.text import fit
from bookstore_operator.kube.client import ApiError
from bookstore_operator.kube.object_cache import ObjectCache, StoreKey
from bookstore_operator.runtime.contests import Contests
from bookstore_operator.runtime.executor import RejectedError, StaleSnapshotError
from bookstore_operator.runtime.observer import Observer
from bookstore_operator.runtime.reconciler import Reconciler
from bookstore_operator.runtime.workqueue import WorkQueue

pytestmark = pytest.mark.scenario

KEY = StoreKey("shop", "demo")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SERVICE = ObjectRef("v1", "Service", "demo")
LONG = "Service is invalid: " + "x\ud800" * 50_000


class NoSecrets:
    """Stands in for an API server without objects; or with a fault."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault

    async def find(self, *_: Any) -> None:
        if self.fault:
            raise self.fault


@dataclass
class Rig:
    """A Reconciler with a real Observer; what would be written is recorded."""

    api: NoSecrets = field(default_factory=NoSecrets)
    fault: Exception | None = None
    """Of each write except the BookStore's status."""
    status_fault: Exception | None = None
    contests: Contests = field(default_factory=Contests)
    written: list[WriteStatus] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cache = ObjectCache()
        part: Any = self
        api: Any = self.api
        observer = Observer(api, self.cache, OperatorSettings(), now=lambda: NOW)
        self.queue: WorkQueue[StoreKey] = WorkQueue()
        self.reconciler = Reconciler(observer, part, part, self.queue, now=lambda: NOW)

    def store(self, **spec: Any) -> None:
        self.cache.put(
            {
                "apiVersion": "bookstore.dev/v1alpha1",
                "kind": "BookStore",
                "metadata": {
                    "name": "demo",
                    "namespace": "shop",
                    "uid": "u",
                    "generation": 3,
                    "resourceVersion": "1",
                },
                "spec": {"image": "api:1", **spec},
                "status": {"release": "demo-r1", "later": 1, "conditions": [{"type": "Later"}]},
            }
        )

    async def execute(self, plan: Plan, _: StoreKey) -> int:
        for action in plan.actions:
            if not isinstance(action, WriteStatus):
                if self.fault:
                    raise self.fault
            elif self.status_fault:
                raise self.status_fault
            else:
                self.written.append(action)
        return 0

    async def post(self, event: Event, _: StoreKey) -> None:
        self.events.append(event)
        raise UnicodeError("an event that can't be posted")

    def visit(self, times: int = 1) -> None:
        async def visits() -> None:
            for _ in range(times):
                await self.reconciler.visit(KEY)

        asyncio.run(visits())

    def reported(self, kind: str = "Ready") -> tuple[str, str, str]:
        conditions = {item["type"]: item for item in self.written[-1].status["conditions"]}
        item = conditions[kind]
        return item["status"], item["reason"], item["message"]


def test_a_spec_that_can_not_be_read_is_reported_and_the_rest_is_kept() -> None:
    rig = Rig()
    rig.store(environment="moon")
    rig.visit(3)
    status, reason, message = rig.reported()
    assert (status, reason) == ("False", "SpecInvalid")
    assert "spec.environment: Input should be 'production', 'staging' or 'development'" in message
    assert rig.reported("Stalled")[:2] == ("True", "SpecInvalid")
    assert len(rig.written) == 1, "once, while it lasts"
    assert rig.written[0].status["release"] == "demo-r1"
    assert rig.written[0].status["later"] == 1, "of a newer operator"
    assert rig.written[0].status["conditions"][0] == {"type": "Later"}
    assert [event.reason for event in rig.events] == ["SpecInvalid"]


@pytest.mark.parametrize(
    ("fault", "reason", "visits"),
    [
        (RejectedError(Rejection(SERVICE, "Invalid", fit(LONG))), "ApplyRejected", 1),
        (ApiError(500, "InternalError", "etcd is down"), "APIServerError", 3),
        (ApiError(0, "Unreachable", ""), "APIServerError", 3),
        (TimeoutError(), "APIServerError", 3),
        (StaleSnapshotError("changed"), "APIServerError", 8),
        (KeyError("spec"), "ReconcileError", 1),
        (RecursionError("too deep"), "ReconcileError", 1),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"), "ReconcileError", 1),
        (ExceptionGroup("several", [ValueError("x\0")]), "ReconcileError", 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_every_exception_is_reported_and_raised_to_nobody(
    fault: Exception, reason: str, visits: int
) -> None:
    rig = Rig(fault=fault)
    rig.store()
    rig.visit(visits - 1)
    assert not rig.written or rig.reported()[1] != reason
    rig.visit()
    status, reported, message = rig.reported()
    assert (status, reported) == ("False", reason)
    assert "Retrying at least every 5 min." in message, "the advice is not cut off"
    assert len(message) <= 4096
    written = len(rig.written)
    rig.visit(5)
    assert [item for item in rig.written[written:] if item != rig.written[-1]] == []


def test_a_status_that_can_not_be_written_ends_nothing() -> None:
    rig = Rig(status_fault=ValueError("no such field"))
    rig.store(environment="moon")
    rig.visit(2)
    rig.store()
    rig.visit(2)
    assert rig.written == []


def test_a_decision_that_fails_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Plan:
        raise ZeroDivisionError("in a gate")

    monkeypatch.setattr(decide, "decide", fail)
    rig = Rig()
    rig.store()
    rig.visit(2)
    assert rig.reported()[:2] == ("False", "ReconcileError")
    assert "ZeroDivisionError: in a gate" in rig.reported()[2]
    assert len(rig.written) == 1


def test_secrets_that_may_not_be_read_are_reported_and_service_is_repaired() -> None:
    forbidden = 'secrets "demo-db" is forbidden: User "operator" cannot get resource "secrets"'
    rig = Rig(api=NoSecrets(ApiError(403, "Forbidden", forbidden)))
    rig.store()
    rig.visit()
    status, reason, message = rig.reported()
    assert (status, reason) == ("False", "SecretForbidden")
    assert forbidden in message
    assert "manifests/base/rbac.yaml" in message
    assert rig.reported("DatabaseMigrated")[:2] == ("Unknown", "SecretForbidden")


def test_secrets_that_can_not_be_read_for_now_are_reported_after_a_while() -> None:
    rig = Rig(api=NoSecrets(ApiError(503, "ServiceUnavailable", "apiserver not ready")))
    rig.store()
    rig.visit(2)
    assert rig.written == []
    rig.visit()
    assert rig.reported()[:2] == ("False", "APIServerError")
    assert rig.reported("Stalled")[0] == "False", "it may pass by itself"
