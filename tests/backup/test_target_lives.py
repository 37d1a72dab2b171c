"""Whole backups on an object store that misbehaves now and then, and over TLS."""

from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from bookstore_backup.errors import BackupError, Code
from bookstore_backup.postgres.connection import Database
from bookstore_backup.storage.s3 import Bucket, Settings
from bookstore_backup.storage.target import Target
from bookstore_backup.work.create import Order, create_backup
from bookstore_backup.work.listing import list_backups
from bookstore_backup.work.verify import verify_backup
from bookstore_backup.work.workplace import Workplace
from tests.backup.support import QUICK, bucket
from tests.support.examples import scaled
from tests.support.postgres import OwnPostgres, query
from tests.support.s3_faults import Fault, cut, faulty_proxy, nothing, status, truncate
from tests.support.versitygw import Versitygw, own_versitygw

PASSING: dict[str, Fault] = {
    "fine": nothing,
    "throttled": status(503, "SlowDown"),
    "broken": status(500, "InternalError"),
    "too many": status(429, "TooManyRequests"),
    "cut": cut,
    "truncated": truncate,
}


def test_a_backup_gets_through_whatever_passes_by_itself(
    s3: Versitygw,
    place: Callable[[Target], Workplace],
    server: OwnPostgres,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Any run of faults that each pass by themselves: the backup is complete and whole."""
    keys = s3.write_keys(tmp_path_factory.mktemp("keys"))

    @given(st.lists(st.sampled_from(sorted(PASSING)), max_size=12))
    @settings(max_examples=scaled(3))
    def check(faults: list[str]) -> None:
        # No more in a row than one request is tried again.
        spread = [fault for name in faults for fault in (PASSING[name], nothing)]
        with faulty_proxy(s3.port) as proxy:
            proxy.fail("PUT", *spread)
            workplace = place(bucket(s3, keys, endpoint=proxy.endpoint))
            create_backup(workplace, Order(Database.of(url), "test", size=lambda _: 2000))
            verify_backup(workplace, "latest")
            assert len(list_backups(workplace.repository)) == 1

    with server.database() as url:
        query(url, "CREATE TABLE t AS SELECT md5(n::text) FROM generate_series(1, 200) n")
        check()


def test_the_endpoint_is_known_by_its_ca(tmp_path: Path) -> None:
    """Over TLS the CA bundle decides, and nothing is sent to a server that it does not know."""
    ca, other = trustme.CA(), trustme.CA()
    issued = ca.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    for name, authority in (("ca.pem", ca), ("other.pem", other)):
        authority.cert_pem.write_to_path(tmp_path / name)
    with own_versitygw(tmp_path, tls=(tmp_path / "cert.pem", tmp_path / "key.pem")) as s3:
        keys, name = s3.write_keys(tmp_path / "keys"), s3.create_bucket()

        def target(bundle: str) -> Bucket:
            return Bucket(
                Settings(
                    bucket=name,
                    endpoint=s3.endpoint,
                    region="us-east-1",
                    ca_bundle=tmp_path / bundle,
                    credentials=keys,
                    patience=QUICK,
                )
            )

        target("ca.pem").put("a/b", b"x")
        assert b"".join(target("ca.pem").get("a/b")) == b"x"
        with pytest.raises(BackupError) as caught:
            target("other.pem").put("a/b", b"x")
        assert caught.value.code is Code.TARGET_UNREACHABLE
