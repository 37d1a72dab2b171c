"""A sweep over all fields of a BookStore, as in Acto: set, restored, and nothing is left over.

After each change the BookStore is Ready or says what it waits for, and the operator writes nothing
more. With the field as it was before, all of the BookStore's objects are, too.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from demo.kubectl import KubectlError
from tests.cluster.conftest import Shop, bookstore
from tests.cluster.test_faults import start
from tests.support.faulty import Proxy
from tests.support.kube import condition, wait_for
from tests.support.spec_changes import (
    PULL_SECRET,
    SECRET,
    Field,
    base_of,
    fields,
    merged,
    with_value,
)

pytestmark = pytest.mark.cluster

SETTLE_SECONDS = 150.0
REST_SECONDS = 4.0
AT_ONCE = 10
KINDS = (
    *("v1/services", "v1/persistentvolumeclaims", "apps/v1/deployments", "apps/v1/statefulsets"),
    *("batch/v1/cronjobs", "autoscaling/v2/horizontalpodautoscalers"),
    *("policy/v1/poddisruptionbudgets", "networking.k8s.io/v1/networkpolicies"),
    "networking.k8s.io/v1/ingresses",
)
SAMPLE = (
    *("autoscaling.maxReplicas", "rollout.historyLimit", "networkPolicy.enabled", "service.port"),
    *("cache.embedded.resources.requests.cpu", "database.embedded.resources.limits.cpu"),
    *("serviceAccountName", "backup.schedule", "deletionPolicy", "monitoring.scrapeAnnotations"),
)
"""Fields of which each is about other objects; the last begins a release."""


class Swept:
    """A BookStore of which some fields are changed."""

    def __init__(self, shop: Shop, name: str, chosen: Sequence[Field]) -> None:
        self.shop = shop
        self.name = name
        self.chosen = chosen
        self.spec: dict[str, Any] = bookstore()["spec"]
        for field in chosen:
            self.spec = merged(self.spec, base_of(field.path))
        self.problems: list[str] = []
        self.rejected = ""
        self.before: dict[str, Any] = {}

    def apply(self, *, changed: bool = False) -> None:
        spec = self.spec
        for field in self.chosen if changed else ():
            spec = with_value(spec, field.path, field.value)
        try:
            self.shop.kubectl.apply({**bookstore(self.name), "spec": spec})
        except KubectlError as error:
            self.rejected = str(error)
            if not changed:
                self.problems.append(f"can't be restored: {error}")

    @property
    def settled(self) -> bool:
        """Whether it is Ready or says why not, about this generation."""
        store = self.shop.store(self.name) or {}
        ready, stalled = condition(store, "Ready"), condition(store, "Stalled")
        current = ready.get("observedGeneration") == store["metadata"]["generation"]
        waits = ready.get("reason") == "WaitingForApproval"  # of another database
        return current and (waits or "True" in {ready.get("status"), stalled.get("status")})

    def objects(self) -> dict[str, Any]:
        """Return what its objects say, but for which release and which color it is."""
        selector = f"bookstore.dev/store={self.name}"
        return {
            f"{kind} {_neutral(found['metadata']['name'])}": _content(found)
            for kind in KINDS
            for found in self.shop.list(kind, selector)
            if _lives(kind, found)
        }

    @property
    def title(self) -> str:
        return ", ".join(field.name for field in self.chosen)

    def says(self) -> str:
        ready = condition(self.shop.store(self.name), "Ready")
        return f"{ready.get('status')} {ready.get('reason')}: {ready.get('message')}"


def _lives(kind: str, found: dict[str, Any]) -> bool:
    """Whether it is more than a color that has been scaled down."""
    return not kind.endswith("deployments") or bool(found["spec"]["replicas"])


def _content(found: dict[str, Any]) -> Any:
    metadata = found["metadata"]
    kept = {key: metadata.get(key) for key in ("labels", "annotations")}
    (kept["annotations"] or {}).pop("deployment.kubernetes.io/revision", None)
    (kept["annotations"] or {}).pop("bookstore.dev/applied", None)
    spec = {key: value for key, value in found["spec"].items() if key != "replicas"}
    text = json.dumps({"metadata": kept, "spec": spec}, sort_keys=True)
    return json.loads(_neutral(text))


def _neutral(text: str) -> str:
    """Return a text without what differs from release to release."""
    text = re.sub(r"\b(blue|green)\b", "COLOR", text)
    text = re.sub(r"-r\d+\b", "-rN", text)
    revision = r'("bookstore\.dev/revision": |"BOOKSTORE_REVISION", "value": )"\d+"'
    return re.sub(revision, r'\1"N"', text)


KEY_SET = json.dumps({"signing": "k1", "keys": {"k1": "0f" * 32}})


@pytest.fixture
def sweeping(shop: Shop, proxy: Proxy) -> Shop:
    """Return a namespace with an operator behind the proxy, and the Secrets that fields name."""
    uri = "postgresql://user:password@database:5432/books"
    keys = {
        "uri": uri, "other": f"{uri}2", "redis": "redis://:secret@cache:6379/0",
        "other-redis": "redis://:secret@cache:6379/1", "token": "t" * 40, "other-token": "u" * 40,
        "keys": KEY_SET, "other-keys": KEY_SET.replace("k1", "k2"),
        "smtp": "smtp://mail:25?tls=off", "other-smtp": "smtps://mail",
    }  # fmt: skip
    for name in (SECRET, f"{SECRET}-other"):
        shop.provide(name, **keys)
    login = json.dumps({"auths": {"registry.example": {"auth": "dTpw"}}})
    shop.kubectl("create", "serviceaccount", SECRET)
    shop.provide(PULL_SECRET, type="kubernetes.io/dockerconfigjson", **{".dockerconfigjson": login})
    start(shop, proxy)
    return shop


def sweep(proxy: Proxy, swept: Sequence[Swept]) -> list[str]:
    """Change and restore the fields of BookStores; return what went wrong."""
    for one in swept:
        one.apply()
    settle(proxy, swept, "at the beginning")
    for one in swept:
        one.before = one.objects()
        one.apply(changed=True)
    settle(proxy, swept, "changed")
    for one in swept:
        print(f"{one.title}: {one.rejected or one.says()}")
        one.apply()
    settle(proxy, swept, "restored")
    for one in swept:
        one.problems += differences(one.before, one.objects())
        one.shop.delete(one.name)
    return [f"{one.title}: {problem}" for one in swept for problem in one.problems]


def settle(proxy: Proxy, swept: Sequence[Swept], what: str) -> None:
    """Wait until all are settled and nothing is written; note those that are not."""
    try:
        wait_for(lambda: all(one.settled for one in swept), SETTLE_SECONDS, "all to settle")
    except AssertionError:
        for one in swept:
            if not one.settled:
                one.problems.append(f"{what}: {one.says()}")
    try:
        wait_for(lambda: proxy.quiet_for() > REST_SECONDS, 60, "rest")
    except AssertionError:
        paths = [f"{seen.method} {seen.path}" for seen in proxy.writes()[-20:]]
        swept[0].problems.append(f"{what}: no rest: {paths}")


def differences(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """Yield the fields that differ."""
    old, new = dict(_flat(before)), dict(_flat(after))
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) != new.get(path):
            yield f"{path} was {old.get(path)!r} and is {new.get(path)!r}"


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    items = enumerate(value) if isinstance(value, list) else value.items()
    for key, inner in items:
        if isinstance(inner, dict | list) and inner:
            yield from _flat(inner, f"{path}.{key}")
        else:
            yield f"{path}.{key}", inner


def test_fields_changed_and_restored_leave_no_trace(sweeping: Shop, proxy: Proxy) -> None:
    chosen = [field for field in fields() if field.name.removeprefix("spec.") in SAMPLE]
    assert len(chosen) == len(SAMPLE)
    assert sweep(proxy, [Swept(sweeping, "sample", chosen)]) == []


@pytest.mark.nightly
@pytest.mark.timeout(3000)
def test_every_field_changed_and_restored_leaves_no_trace(sweeping: Shop, proxy: Proxy) -> None:
    every = [Swept(sweeping, f"field-{n}", [field]) for n, field in enumerate(fields())]
    problems = []
    for first in range(0, len(every), AT_ONCE):
        found = sweep(proxy, every[first : first + AT_ONCE])
        print("\n".join(f"PROBLEM {line}" for line in found))
        problems += found
    assert problems == []
