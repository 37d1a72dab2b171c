"""An object store that throttles, fails, lies, rejects, and whose keys expire."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bookstore_backup.errors import BackupError, Code
from bookstore_backup.postgres.connection import Database
from bookstore_backup.storage.probe import probe
from bookstore_backup.storage.s3 import Bucket
from bookstore_backup.storage.target import ObjectMissingError, Target
from bookstore_backup.work.create import Order, create_backup
from bookstore_backup.work.listing import list_backups
from bookstore_backup.work.workplace import Workplace
from tests.backup.support import QUICK, STORE, bucket
from tests.support.s3_faults import (
    Fault,
    FaultyProxy,
    Handler,
    cut,
    faulty_proxy,
    nothing,
    ok_but_lost,
    status,
    truncate,
)
from tests.support.versitygw import Versitygw

THROTTLED = status(503, "SlowDown")
BROKEN = status(500, "InternalError")
EXPIRED = status(400, "ExpiredToken")


@pytest.fixture
def keys(s3: Versitygw, tmp_path: Path) -> Path:
    return s3.write_keys(tmp_path / "keys")


@pytest.fixture
def proxy(s3: Versitygw) -> Iterator[FaultyProxy]:
    with faulty_proxy(s3.port) as running:
        yield running


@pytest.fixture
def through(s3: Versitygw, keys: Path, proxy: FaultyProxy) -> Bucket:
    return bucket(s3, keys, endpoint=proxy.endpoint)


@pytest.mark.parametrize("checksum", [None, "sha256"])
def test_a_bucket_does_what_a_target_has_to(
    s3: Versitygw, keys: Path, checksum: str | None
) -> None:
    target = bucket(s3, keys, checksum=checksum)
    probe(target, STORE)
    target.put("a/b/c", b"x" * 3_000_000)
    target.put("a-b/c", b"y")
    assert [(item.key, item.size) for item in target.objects("a/")] == [("a/b/c", 3_000_000)]
    assert b"".join(target.get("a/b/c")) == b"x" * 3_000_000
    target.delete("a/b/c")
    target.delete("a/b/c")
    assert target.objects("a/") == []
    with pytest.raises(ObjectMissingError):
        list(target.get("a/b/c"))


@pytest.mark.parametrize(
    "faults",
    [(THROTTLED, THROTTLED), (BROKEN,), (cut,), (truncate,), (THROTTLED, cut, BROKEN)],
    ids=["throttled", "500", "cut", "truncated", "all"],
)
def test_what_passes_by_itself_is_tried_again(
    through: Bucket, proxy: FaultyProxy, faults: tuple[Fault, ...]
) -> None:
    proxy.fail("PUT", *faults)
    through.put("a/b", b"content" * 1000)
    assert b"".join(through.get("a/b")) == b"content" * 1000


@pytest.mark.parametrize(
    ("method", "fault", "code"),
    [
        ("PUT", THROTTLED, Code.TARGET_UNREACHABLE),
        ("PUT", BROKEN, Code.TARGET_UNREACHABLE),
        ("PUT", cut, Code.TARGET_UNREACHABLE),
        ("PUT", status(403, "AccessDenied"), Code.TARGET_PERMISSION_DENIED),
        ("PUT", status(507, "InsufficientStorage"), Code.DISK_FULL),
        ("GET", status(404, "NoSuchBucket"), Code.TARGET_MISSING),
    ],
    ids=["throttled", "500", "cut", "denied", "full", "bucket"],
)
def test_what_stays_wrong_has_a_code(
    through: Bucket, proxy: FaultyProxy, method: str, fault: Fault, code: Code
) -> None:
    proxy.fail(method, *[fault] * 6)
    request: dict[str, Callable[[], object]] = {
        "PUT": lambda: through.put("a/b", b"x"),
        "GET": lambda: through.objects("a/"),
    }
    with pytest.raises(BackupError) as caught:
        request[method]()
    assert caught.value.code is code


def test_wrong_keys_are_named(s3: Versitygw, tmp_path: Path) -> None:
    wrong = s3.write_keys(tmp_path / "wrong", secret="wrong")
    with pytest.raises(BackupError, match="Correct the access key") as caught:
        bucket(s3, wrong).put("a/b", b"x")
    assert caught.value.code is Code.TARGET_AUTHENTICATION_FAILED


def test_a_bucket_that_does_not_exist_is_named(s3: Versitygw, keys: Path) -> None:
    with pytest.raises(BackupError, match="Create the bucket") as caught:
        bucket(s3, keys, name="no-such-bucket").put("a/b", b"x")
    assert caught.value.code is Code.TARGET_MISSING


def test_nobody_listens(s3: Versitygw, keys: Path) -> None:
    with pytest.raises(BackupError, match="Check the endpoint") as caught:
        bucket(s3, keys, endpoint="http://127.0.0.1:9").put("a/b", b"x")
    assert caught.value.code is Code.TARGET_UNREACHABLE


def test_a_store_that_loses_objects_is_no_target(through: Bucket, proxy: FaultyProxy) -> None:
    proxy.fail("PUT", ok_but_lost)
    with pytest.raises(BackupError, match="can't hold backups") as caught:
        probe(through, STORE)
    assert caught.value.code is Code.READ_BACK_FAILED


def test_keys_that_expire_are_read_again_and_the_part_repeated(
    place: Callable[[Target], Workplace],
    through: Bucket,
    proxy: FaultyProxy,
    keys: Path,
    database: str,
) -> None:
    """A backup that outlives its credentials goes on with the renewed ones."""
    secret = (keys / "secret-access-key").read_text()

    def expire(handler: Handler, body: bytes) -> bool:
        """Let the keys of the request count no more, and have the Secret renewed."""
        (keys / "secret-access-key").write_text(secret)
        return EXPIRED(handler, body)

    def lose(_handler: Handler, _body: bytes) -> bool:
        """Let a part pass, and have the Secret hold keys that are none."""
        (keys / "secret-access-key").write_text("lost")
        return False

    proxy.fail("PUT", nothing, lose, expire)
    order = Order(Database.of(database), "test", size=lambda _: 9000)
    assert len(create_backup(place(through), order).parts) > 1


def test_keys_that_expire_for_good_end_the_backup(
    place: Callable[[Target], Workplace],
    s3: Versitygw,
    keys: Path,
    proxy: FaultyProxy,
    database: str,
) -> None:
    target = bucket(s3, keys, endpoint=proxy.endpoint, patience=replace(QUICK, renewal=0.1))
    proxy.fail("PUT", nothing, *[EXPIRED] * 20)
    with pytest.raises(BackupError, match="Renew the credentials") as caught:
        create_backup(place(target), Order(Database.of(database), "test", size=lambda _: 9000))
    assert caught.value.code is Code.TARGET_CREDENTIALS_EXPIRED
    assert list_backups(place(target).repository) == []


def test_a_part_that_the_store_lost_fails_the_backup(
    place: Callable[[Target], Workplace], through: Bucket, proxy: FaultyProxy, database: str
) -> None:
    """A store's word that it has stored is not trusted."""
    proxy.fail("PUT", nothing, nothing, ok_but_lost)  # the probe, the first part, the second
    with pytest.raises(BackupError, match="did not give back what was stored") as caught:
        create_backup(place(through), Order(Database.of(database), "test", size=lambda _: 9000))
    assert caught.value.code is Code.READ_BACK_FAILED
    assert list_backups(place(through).repository) == []
