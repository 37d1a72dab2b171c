"""Secrets are read no more often than needed, and always before what depends on them."""

import asyncio
import base64
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from bookstore_operator.core.secret_values import Content
from bookstore_operator.kube.client import ApiError
from bookstore_operator.kube.object_cache import StoreKey
from bookstore_operator.runtime.secret_reader import FRESH_SECONDS, SecretReader, are_valid

T = TypeVar("T")
KEY = StoreKey("shop", "demo")
USED = {"database": {"uri": Content.DATABASE_URI}}


class Cluster:
    """Answers reads of Secrets, counts them, and has a clock."""

    def __init__(self) -> None:
        self.secrets = {"database": "postgresql://user:pw@db/books"}
        self.forbidden = False
        self.reads = 0
        self.now = 0.0
        self.reader = SecretReader(self, lambda: self.now)  # type: ignore[arg-type]

    async def find(self, _resource: object, _namespace: str, name: str) -> dict[str, Any] | None:
        self.reads += 1
        if self.forbidden:
            raise ApiError(403, "Forbidden", "no")
        if name not in self.secrets:
            return None
        data = {"uri": base64.b64encode(self.secrets[name].encode()).decode()}
        return {"metadata": {"name": name}, "data": data}


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def test_valid_secrets_are_read_once_in_ten_seconds(cluster: Cluster) -> None:
    first = run(cluster.reader.read(KEY, USED))
    cluster.now += FRESH_SECONDS - 1
    assert run(cluster.reader.read(KEY, USED)) == first
    assert cluster.reads == 1
    cluster.now += 1
    run(cluster.reader.read(KEY, USED))
    assert cluster.reads == 2


@pytest.mark.parametrize("value", [None, "no URI"])
def test_a_missing_or_invalid_secret_is_read_each_time(cluster: Cluster, value: str | None) -> None:
    cluster.secrets = {} if value is None else {"database": value}
    run(cluster.reader.read(KEY, USED))
    cluster.secrets["database"] = "postgresql://user:pw@db/books"
    assert are_valid(run(cluster.reader.read(KEY, USED)), USED)


def test_other_keys_and_own_writes_are_read_at_once(cluster: Cluster) -> None:
    run(cluster.reader.read(KEY, USED))
    run(cluster.reader.read(KEY, {"database": {"direct": Content.DATABASE_URI}}))
    assert cluster.reads == 2
    cluster.reader.forget(KEY)
    run(cluster.reader.read(KEY, USED))
    assert cluster.reads == 3


def test_what_depends_on_reused_secrets_reads_them_live(cluster: Cluster) -> None:
    run(cluster.reader.read(KEY, USED))
    assert run(cluster.reader.are_current(KEY))
    assert cluster.reads == 1, "the Snapshot has just read them"
    run(cluster.reader.read(KEY, USED))
    cluster.secrets["database"] = "postgresql://user:pw@other/books"
    assert not run(cluster.reader.are_current(KEY))


def test_a_job_may_mount_secrets_that_were_read_a_moment_ago(cluster: Cluster) -> None:
    run(cluster.reader.read(KEY, USED))
    for _ in range(2):
        cluster.now += 1
        run(cluster.reader.read(KEY, USED))
        assert run(cluster.reader.are_current(KEY, oldest=3))
        assert cluster.reads == 1
    cluster.now += 1
    cluster.secrets["database"] = "postgresql://user:pw@other/books"
    assert not run(cluster.reader.are_current(KEY, oldest=3))


def test_a_change_that_was_just_found_does_not_make_an_older_snapshot_current(
    cluster: Cluster,
) -> None:
    run(cluster.reader.read(KEY, USED))
    cluster.now += 1
    run(cluster.reader.read(KEY, USED))
    cluster.secrets["database"] = "postgresql://user:pw@other/books"
    assert run(cluster.reader.have_changed(KEY))
    assert not run(cluster.reader.are_current(KEY, oldest=3))


def test_a_change_that_is_found_meanwhile_does_not_make_a_snapshot_current(
    cluster: Cluster,
) -> None:
    run(cluster.reader.read(KEY, USED))
    cluster.now += FRESH_SECONDS / 2
    run(cluster.reader.read(KEY, USED))
    cluster.secrets["database"] = "postgresql://user:pw@other/books"
    assert run(cluster.reader.have_changed(KEY))
    assert not run(cluster.reader.are_current(KEY))


def test_secrets_that_could_not_be_read_have_changed_when_they_can(cluster: Cluster) -> None:
    cluster.forbidden = True
    with pytest.raises(ApiError):
        run(cluster.reader.read(KEY, USED))
    assert not run(cluster.reader.have_changed(KEY))
    cluster.forbidden = False
    assert run(cluster.reader.have_changed(KEY))


def test_secrets_that_may_not_be_read_any_more_are_told_once(cluster: Cluster) -> None:
    run(cluster.reader.read(KEY, USED))
    cluster.forbidden = True
    assert run(cluster.reader.have_changed(KEY))
    assert not run(cluster.reader.have_changed(KEY))
    with pytest.raises(ApiError):
        run(cluster.reader.read(KEY, USED))
    assert not run(cluster.reader.have_changed(KEY))
