"""Backups that are damaged in seeded ways: each is found."""

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyrage  # type: ignore[import-untyped]
import pytest

from bookstore_backup.errors import BackupError, Code
from bookstore_backup.model.manifest import Dump, Manifest, Part, decode, encode
from bookstore_backup.postgres.connection import Database
from bookstore_backup.storage.encryption import identities_in
from bookstore_backup.storage.repository import Repository
from bookstore_backup.storage.volume import Volume
from bookstore_backup.work.create import Order, create_backup
from bookstore_backup.work.drill import drill_backup
from bookstore_backup.work.listing import list_backups
from bookstore_backup.work.restore import restore_backup
from bookstore_backup.work.verify import verify_backup
from bookstore_backup.work.workplace import Workplace
from tests.backup.support import STORE
from tests.support.postgres import OwnPostgres, query

IN_CI = 100
AT_NIGHT = 1000
LOST = {Code.DAMAGED, Code.KEY_MISSING}
Corruption = Callable[[random.Random, Path, Path], None]


def flip_bits(rng: random.Random, folder: Path, _: Path) -> None:
    """Flip one to eight bits of a file."""
    file = any_file(rng, folder)
    data = bytearray(file.read_bytes())
    for position in rng.sample(range(len(data)), k=min(len(data), rng.randint(1, 8))):
        data[position] ^= 1 << rng.randrange(8)
    file.write_bytes(data)


def truncate(rng: random.Random, folder: Path, _: Path) -> None:
    """Cut a file's end off, perhaps all of it."""
    file = any_file(rng, folder)
    data = file.read_bytes()
    file.write_bytes(data[: rng.randrange(len(data))])


def lengthen(rng: random.Random, folder: Path, _: Path) -> None:
    """Add bytes to a part."""
    with rng.choice(parts(folder)).open("ab") as file:
        file.write(rng.randbytes(rng.randint(1, 5000)))


def zero(rng: random.Random, folder: Path, _: Path) -> None:
    """Have a block of a part read as zeros, as a disk that lost it."""
    file = rng.choice(parts(folder))
    data = bytearray(file.read_bytes())
    begin = rng.randrange(len(data))
    block = data[begin : begin + 512]
    data[begin : begin + 512] = bytes(len(block)) if any(block) else b"\1" * len(block)
    file.write_bytes(data)


def delete(rng: random.Random, folder: Path, _: Path) -> None:
    """Delete a part."""
    rng.choice(parts(folder)).unlink()


def swap_parts(rng: random.Random, folder: Path, _: Path) -> None:
    """Exchange two parts."""
    one, other = rng.sample(parts(folder), 2)
    one_content, other_content = one.read_bytes(), other.read_bytes()
    one.write_bytes(other_content)
    other.write_bytes(one_content)


def add_part(rng: random.Random, folder: Path, _: Path) -> None:
    """Add a part that the manifest has not."""
    number = len(parts(folder)) + rng.randint(1, 3)
    (folder / f"dump.{number:05}").write_bytes(rng.randbytes(100))


def parts_of_another(_: random.Random, folder: Path, other: Path) -> None:
    """Have the dump of another backup below this one's manifest."""
    for file in parts(folder):
        file.unlink()
    for file in parts(other):
        shutil.copy(file, folder / file.name)


def manifest_of_another(_: random.Random, folder: Path, other: Path) -> None:
    """Have another backup's manifest."""
    shutil.copy(other / "manifest.json", folder / "manifest.json")


def manifest_of_another_store(_: random.Random, folder: Path, __: Path) -> None:
    """Have the backup of another store under this one's name."""
    content = read_manifest(folder)
    (folder / "manifest.json").write_bytes(
        encode(content.model_copy(update={"store": "tests.other"}))
    )


def edited_manifest(rng: random.Random, folder: Path, _: Path) -> None:
    """Change a value of the manifest without its digest."""
    file = folder / "manifest.json"
    content = json.loads(file.read_text())
    table = content["contents"]["tables"][rng.choice(list(content["contents"]["tables"]))]
    table["rows"] += rng.choice([1, 10])
    file.write_text(json.dumps(content))


CORRUPTIONS: tuple[Corruption, ...] = (
    *(flip_bits, flip_bits, truncate, truncate, lengthen, zero, delete, swap_parts, add_part),
    *(parts_of_another, manifest_of_another, manifest_of_another_store, edited_manifest),
)


def parts(folder: Path) -> list[Path]:
    """Return the parts of a backup."""
    return sorted(folder.glob("dump.*"))


def any_file(rng: random.Random, folder: Path) -> Path:
    """Return a part or the manifest."""
    return rng.choice([*parts(folder), folder / "manifest.json"])


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a backup on a volume."""
    data = (folder / "manifest.json").read_bytes()
    return decode(data, store=STORE, name=folder.name)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest of a backup on a volume."""
    (folder / "manifest.json").write_bytes(encode(manifest))


@pytest.fixture
def original(workplace: Workplace, volume: Path, database: str) -> tuple[Path, Path]:
    """Two backups of a small database: the first to be damaged, the second another one."""
    query(database, "TRUNCATE books, sales")
    folders = []
    for title in ("one", "two"):
        query(database, "INSERT INTO books (title, tags) VALUES ($1, NULL)", title)
        order = Order(Database.of(database), "test", size=lambda _: 1500)
        manifest = create_backup(workplace, order)
        folders.append(volume / STORE / manifest.name)
    return folders[0], folders[1]


def check_all(workplace: Workplace, original: tuple[Path, Path], seeds: range) -> None:
    """Damage a backup once for each seed; every time verify has to find it."""
    folder, other = original
    kept = folder.parent.parent.parent / "kept"
    shutil.copytree(folder, kept)
    verify_backup(workplace, folder.name)
    before = {file.name: file.read_bytes() for file in kept.iterdir()}
    for seed in seeds:
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)
        rng = random.Random(seed)  # noqa: S311 - no secret
        corruption = CORRUPTIONS[seed % len(CORRUPTIONS)]
        corruption(rng, folder, other)
        after = {file.name: file.read_bytes() for file in folder.iterdir()}
        if before == after or same_meaning(folder, before, after):
            continue
        with pytest.raises(BackupError) as caught:
            verify_backup(workplace, folder.name)
        assert caught.value.code in LOST, (seed, corruption.__name__, str(caught.value))


def same_meaning(folder: Path, before: dict[str, bytes], after: dict[str, bytes]) -> bool:
    """Tell whether only spacing of the manifest was changed, so that nothing is lost."""
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    if changed != {"manifest.json"}:
        return False
    try:
        return read_manifest(folder) == decode(
            before["manifest.json"], store=STORE, name=folder.name
        )
    except BackupError:
        return False


def test_each_corruption_is_found(workplace: Workplace, original: tuple[Path, Path]) -> None:
    check_all(workplace, original, range(IN_CI))


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_each_of_many_corruptions_is_found(
    workplace: Workplace, original: tuple[Path, Path]
) -> None:
    check_all(workplace, original, range(AT_NIGHT))


def test_a_damaged_backup_is_listed_so_and_a_restore_changes_nothing(
    workplace: Workplace, backup: Manifest, volume: Path, empty: str
) -> None:
    folder = volume / STORE / backup.name
    last = parts(folder)[-1]
    last.write_bytes(last.read_bytes()[:-1] + b"?")
    with pytest.raises(BackupError, match="Restore an older one"):
        verify_backup(workplace, "latest")
    assert [item.state for item in list_backups(workplace.repository)] == ["Damaged"]
    with pytest.raises(BackupError, match="no complete backup"):
        workplace.repository.newest_good()
    with pytest.raises(BackupError, match="other content than was stored"):
        restore_backup(workplace, workplace.repository.find("latest"), Database.of(empty))
    assert query(empty, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


def with_changed_row(workplace: Workplace, folder: Path, database: str, statement: str) -> Manifest:
    """Store the dump of changed data under the manifest of what it was before.

    All sizes and digests of files are right, and pg_restore takes it.
    """
    old = read_manifest(folder)
    query(database, statement)
    order = Order(Database.of(database), "test", size=lambda _: 4096)
    new = create_backup(workplace, order)
    other = folder.parent / new.name
    parts_of_another(random.Random(0), folder, other)  # noqa: S311 - it is not used
    shutil.rmtree(other)
    forged = old.model_copy(update={"dump": new.dump, "parts": new.parts})
    write_manifest(folder, forged)
    return forged


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        (
            "UPDATE books SET price = price + 0.01 WHERE id = 400",
            "800 rows as it should, but other",
        ),
        ("DELETE FROM books WHERE id = 400", "799 rows instead of 800"),
        ("""INSERT INTO "Odd schema"."the row" VALUES ('same', 1)""", "4 rows instead of 3"),
        ("DROP TABLE nothing_yet", "nothing_yet is missing"),
        ("SELECT setval('orders', 5)", "orders is at 5 instead of 100"),
        (
            "UPDATE alembic_version SET version_num = 'x' WHERE version_num < '0004'",
            "other content",
        ),
        ("SELECT lo_unlink(oid) FROM pg_largeobject_metadata", "0 large objects instead of 1"),
    ],
)
def test_a_drill_finds_what_pg_restore_accepts(  # noqa: PLR0917
    workplace: Workplace,
    backup: Manifest,
    volume: Path,
    database: str,
    server: OwnPostgres,
    statement: str,
    text: str,
) -> None:
    folder = volume / STORE / backup.name
    with_changed_row(workplace, folder, database, statement)
    verify_backup(workplace, backup.name)
    with pytest.raises(BackupError, match=text) as caught:
        drill_backup(workplace, backup.name, Database.of(server.url("postgres")))
    assert caught.value.code is Code.CONTENT_DIFFERS
    assert [item.state for item in list_backups(workplace.repository)] == ["Damaged"]


@pytest.mark.parametrize("keys", ["none", "wrong"])
def test_a_lost_key_shows_at_verify(
    workplace: Workplace, database: str, tmp_path: Path, keys: str
) -> None:
    recipient = str(pyrage.x25519.Identity.generate().to_public())
    create_backup(workplace, Order(Database.of(database), "test", (recipient,)))
    if keys == "wrong":
        (tmp_path / "key").write_text(str(pyrage.x25519.Identity.generate()))
        workplace = replace(workplace, identities=identities_in(tmp_path / "key"))
    with pytest.raises(BackupError, match=f"is encrypted to {recipient}") as caught:
        verify_backup(workplace, "latest")
    assert caught.value.code is Code.KEY_MISSING
    assert workplace.repository.newest_good().complete


def test_an_encrypted_dump_that_ends_early_is_damaged(
    workplace: Workplace, volume: Path, database: str, tmp_path: Path
) -> None:
    """The end of an encrypted stream is authenticated, whatever the manifest says."""
    key = pyrage.x25519.Identity.generate()
    order = Order(Database.of(database), "test", (str(key.to_public()),), size=lambda _: 30_000)
    manifest = create_backup(workplace, order)
    folder = volume / STORE / manifest.name
    forged = manifest.model_copy(update={"parts": manifest.parts[:-1]})
    assert forged.parts
    parts(folder)[-1].unlink()
    write_manifest(folder, forged)
    (tmp_path / "key").write_text(str(key))
    with pytest.raises(BackupError, match="can't be decrypted") as caught:
        verify_backup(replace(workplace, identities=identities_in(tmp_path / "key")), "latest")
    assert caught.value.code is Code.DAMAGED


def test_a_legacy_dump_is_listed_verified_and_restored(
    workplace: Workplace, backup: Manifest, volume: Path, empty: str
) -> None:
    """What the CronJob of an older operator left on the volume can be used."""
    folder = volume / STORE / backup.name
    dump = b"".join(file.read_bytes() for file in parts(folder))
    name = "shop-backup-20260101T031700Z.dump"
    (volume / name).write_bytes(dump)
    states = {item.entry.name: item.state for item in list_backups(workplace.repository)}
    assert states == {name: "Legacy", backup.name: "Complete"}
    verify_backup(workplace, name)
    entry = workplace.repository.find(name)
    restored = restore_backup(workplace, entry, Database.of(empty))
    assert restored.rows == backup.contents.rows
    (volume / name).write_bytes(dump[: len(dump) * 6 // 10])
    with pytest.raises(BackupError) as caught:
        verify_backup(workplace, name)
    assert caught.value.code is Code.DAMAGED


def test_another_store_of_the_target_is_not_seen(
    workplace: Workplace, backup: Manifest, volume: Path
) -> None:
    other = Repository(Volume(volume), f"{STORE}-2")
    assert other.entries() == []
    other.delete_partials()
    assert [item.state for item in list_backups(workplace.repository)] == ["Complete"]
    assert isinstance(backup.dump, Dump)
    assert all(isinstance(part, Part) for part in backup.parts)
