"""What is read live before a Plan is executed."""

import asyncio
from typing import Any, cast

import pytest

from bookstore_operator.core.kinds import BOOKSTORES, DEPLOYMENTS, JOBS, RELEASES
from bookstore_operator.core.plan import Action, Create, CreateSecret, Delete, Plan, Scale
from bookstore_operator.core.snapshot import OperatorSettings
from bookstore_operator.kube.object_cache import ObjectCache, StoreKey
from bookstore_operator.runtime.freshness import STEP_SECONDS, oldest_reading, releases_of
from bookstore_operator.runtime.observer import Observer

pytestmark = pytest.mark.scenario

KEY = StoreKey("shop", "demo")


def manifest(version: str, kind: str, name: str = "demo", **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "resourceVersion": "1"}
    labels = {"labels": {"bookstore.dev/store": "demo"}}
    return {"apiVersion": version, "kind": kind, "metadata": {**metadata, **labels}, **fields}


def created(kind: str, version: str) -> Create:
    return Create(manifest(version, kind), "Check", "Ask")


@pytest.mark.parametrize(
    ("action", "seconds"),
    [
        (Scale("demo-green", 2, "Scale", "to 2"), None),
        (created(JOBS.kind, JOBS.api_version), STEP_SECONDS),
        (created(RELEASES.kind, RELEASES.api_version), 0.0),
        (CreateSecret(manifest("v1", "Secret"), {}, "Secret", ""), 0.0),
        (Delete(DEPLOYMENTS.ref("demo-green"), "uid", "", ""), 0.0),
    ],
    ids=["scale", "job", "release", "secret", "delete"],
)
def test_how_old_a_reading_of_secrets_may_be(action: Action, seconds: float | None) -> None:
    assert oldest_reading(Plan((action,))) == seconds


class Reads:
    """Answers live reads with nothing new, and records them."""

    def __init__(self) -> None:
        self.cache = ObjectCache()
        self.names: list[str] = []

    async def find(self, _resource: object, _namespace: str, name: str) -> dict[str, Any]:
        self.names.append(name)
        kind = BOOKSTORES if name == "demo" else RELEASES
        return dict(self.cache.get("shop", kind.ref(name)) or {})


def test_releases_that_have_ended_are_read_only_if_they_are_written() -> None:
    reads = Reads()
    reads.cache.put(manifest(BOOKSTORES.api_version, BOOKSTORES.kind))
    times = {"promotedAt": "2026-01-01T00:00:00Z"}
    ended = {**times, "demotedAt": "2026-01-02T00:00:00Z"}
    for revision, status in ((9, ended), (10, times), (11, {}), (2, ended)):
        release = manifest(RELEASES.api_version, RELEASES.kind, f"demo-r{revision}", status=status)
        reads.cache.put({**release, "spec": {"revision": revision, "attempt": 1}})
    observer = Observer(cast("Any", reads), reads.cache, OperatorSettings())
    assert asyncio.run(observer.is_current(KEY))
    assert sorted(reads.names) == ["demo", "demo-r10", "demo-r11"]
    reads.names.clear()
    delete = Delete(RELEASES.ref("demo-r2"), "uid-demo-r2", "", "")
    assert asyncio.run(observer.is_current(KEY, releases_of(Plan((delete,)))))
    assert "demo-r2" in reads.names
