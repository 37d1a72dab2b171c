"""What the tests of backups have in common."""

from pathlib import Path

from bookstore_backup.storage.s3 import Bucket, Patience, Settings
from tests.support.versitygw import Versitygw

STORE = "tests.shop"
# Types whose text depends on settings, odd names, equal rows, null, a partition, a generated
# column, a sequence that is ahead, a large object, a table without rows.
CONTENT = (
    "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)",
    "INSERT INTO alembic_version VALUES ('0007_expand'), ('0003_contract')",
    "CREATE TABLE books (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text NOT NULL,"
    " price numeric(10, 2), twice numeric GENERATED ALWAYS AS (price * 2) STORED, at timestamptz,"
    " took interval, ratio double precision, cover bytea, more jsonb, tags text[])",
    "INSERT INTO books (title, price, at, took, ratio, cover, more, tags)"
    " SELECT 'Buch ' || md5(n::text), n / 7.0, timestamptz '2026-01-01' + n * interval '1 hour',"
    " n * interval '1 min', n / 3.0, decode(md5(n::text), 'hex'),"
    """ jsonb_build_object('n', n, 'ü', null), ARRAY['a', NULL, n::text]"""
    " FROM generate_series(1, 800) n",
    'CREATE SCHEMA "Odd schema"',
    'CREATE TABLE "Odd schema"."the row" ("the row" text, "Ünï" int)',
    """INSERT INTO "Odd schema"."the row" VALUES ('same', 1), ('same', 1), (NULL, NULL)""",
    "CREATE TABLE sales (day date NOT NULL, amount money) PARTITION BY RANGE (day)",
    "CREATE TABLE sales_2026 PARTITION OF sales FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
    "INSERT INTO sales SELECT date '2026-01-01' + n, n FROM generate_series(0, 99) n",
    "CREATE TABLE nothing_yet (id int)",
    "CREATE VIEW titles AS SELECT title FROM books",
    "CREATE SEQUENCE orders START 100",
    "SELECT nextval('orders')",
    "SELECT lo_from_bytea(0, 'large')",
)
ROWS = 2 + 800 + 3 + 100
QUICK = Patience(retries=3, first_backoff=0.01, most_backoff=0.02, all_retries=10, renewal=10)


def bucket(
    s3: Versitygw,
    keys: Path,
    *,
    endpoint: str | None = None,
    name: str | None = None,
    patience: Patience = QUICK,
    checksum: str | None = None,
) -> Bucket:
    """Return a new bucket of the server as a target."""
    return Bucket(
        Settings(
            bucket=name or s3.create_bucket(),
            prefix="some/prefix",
            endpoint=endpoint or s3.endpoint,
            region="us-east-1",
            credentials=keys,
            patience=patience,
            checksum=checksum,
        )
    )
