"""The shop's own schema, as the API migrates it: backed up, drilled, damaged inside a table."""

import random
import shutil
from pathlib import Path

import pytest

from bookstore_api.db.schema.tree import Branch
from bookstore_backup.errors import BackupError, Code
from bookstore_backup.postgres.connection import Database
from bookstore_backup.work.create import Order, create_backup
from bookstore_backup.work.drill import drill_backup
from bookstore_backup.work.verify import verify_backup
from bookstore_backup.work.workplace import Workplace
from tests.backup.support import STORE
from tests.backup.test_corruption import parts_of_another, read_manifest, write_manifest
from tests.support.bookstore import apply_schema
from tests.support.postgres import OwnPostgres, query

BOOKS = """
INSERT INTO books (id, isbn, title, sort_title, authors, price_minor, currency, version,
                   created_at, updated_at)
SELECT gen_random_uuid(), lpad(n::text, 13, '0'), 'Book ' || n, 'book ' || n,
       jsonb_build_array('Author ' || n % 977), n % 9000, 'EUR', 1, now(), now()
FROM generate_series(1, $1) n
"""


def drill_finds_one_changed_price(
    workplace: Workplace, volume: Path, url: str, server: OwnPostgres, books: int
) -> None:
    """Back a shop up and drill it; then store a dump in which one price differs."""
    apply_schema(url)
    apply_schema(url, Branch.CONTRACT)
    query(url, BOOKS, books)
    order = Order(Database.of(url), "test")
    manifest = create_backup(workplace, order)
    assert manifest.contents.tables["public.books"].rows == books
    assert manifest.contents.schema_revisions
    drilled = drill_backup(workplace, "latest", Database.of(server.url("postgres")))
    assert drilled.restored.rows >= books
    assert drilled.restored.seconds > 0

    folder = volume / STORE / manifest.name
    query(url, "UPDATE books SET price_minor = price_minor + 1 WHERE title = 'Book 7'")
    changed = create_backup(workplace, order)
    parts_of_another(random.Random(0), folder, volume / STORE / changed.name)  # noqa: S311
    shutil.rmtree(volume / STORE / changed.name)
    kept = read_manifest(folder)
    write_manifest(folder, kept.model_copy(update={"dump": changed.dump, "parts": changed.parts}))
    verify_backup(workplace, manifest.name)
    with pytest.raises(BackupError, match=f"public.books has {books} rows as it should") as caught:
        drill_backup(workplace, manifest.name, Database.of(server.url("postgres")))
    assert caught.value.code is Code.CONTENT_DIFFERS


def test_a_drill_finds_one_changed_price(
    workplace: Workplace, volume: Path, empty: str, server: OwnPostgres
) -> None:
    drill_finds_one_changed_price(workplace, volume, empty, server, 2_000)


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_a_drill_finds_one_changed_price_of_100_000(
    workplace: Workplace, volume: Path, empty: str, server: OwnPostgres
) -> None:
    drill_finds_one_changed_price(workplace, volume, empty, server, 100_000)
