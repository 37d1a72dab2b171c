"""Verify a backup: all of it is read, decrypted, and parsed by pg_restore."""

from dataclasses import dataclass

from bookstore_backup.errors import BackupError, Code
from bookstore_backup.model import names
from bookstore_backup.model.manifest import Manifest, damaged
from bookstore_backup.postgres import programs
from bookstore_backup.storage.encryption import check_key
from bookstore_backup.storage.repository import Entry
from bookstore_backup.work.damage import keeping_damage
from bookstore_backup.work.reading import open_source
from bookstore_backup.work.workplace import Workplace


@dataclass(frozen=True)
class Verified:
    """A backup that is whole. A legacy dump has no manifest to compare with."""

    entry: Entry
    manifest: Manifest | None


def verify_backup(workplace: Workplace, name: str) -> Verified:
    """Check that a backup is what was taken; raises BackupError if not.

    The result is kept beside the backup, for `list` and for retention; but not that a key is
    missing, which is no fault of the backup.
    """
    entry = workplace.repository.find(name)
    with keeping_damage(workplace.repository, entry):
        verified = _verify(workplace, entry)
    if not entry.legacy:
        workplace.repository.put_verification(entry.name, "")
    return verified


def _verify(workplace: Workplace, entry: Entry) -> Verified:
    workplace.report.step(f"verifying {entry.name}")
    source = open_source(workplace, entry)
    if source.manifest is not None:
        check_key(entry.name, source.manifest.recipients, workplace.identities)
        _check_files(workplace, source.manifest)
    folder = _reading_tools(workplace, source.manifest)
    try:
        programs.read_whole(folder, source.feed_all)
    except BackupError as error:
        if error.code is Code.RESTORE_FAILED:
            raise damaged(entry.name, f"pg_restore can't read it ({error})") from error
        raise
    return Verified(entry, source.manifest)


def _check_files(workplace: Workplace, manifest: Manifest) -> None:
    """Compare the listed objects with the manifest, before any of them is read."""
    repository = workplace.repository
    expected = {names.part_file(number): part.size for number, part in enumerate(manifest.parts, 1)}
    found = {
        key.file: stored.size
        for stored in repository.target.objects(names.prefix(repository.store))
        if (key := names.parse_key(repository.store, stored.key)) is not None
        and key.backup == manifest.name
        and names.is_part(key.file)
    }
    for file, size in expected.items():
        if file not in found:
            raise damaged(manifest.name, f"{file} is missing")
        if found[file] != size:
            raise damaged(manifest.name, f"{file} has {found[file]} bytes instead of {size}")
    if extra := sorted(found.keys() - expected.keys()):
        raise damaged(manifest.name, f"{extra[0]} is not in its manifest")


def _reading_tools(workplace: Workplace, manifest: Manifest | None) -> str:
    """Return the folder of a pg_restore that reads the dump."""
    client = int(manifest.client_version.partition(".")[0]) if manifest else 0
    suitable = [major for major in workplace.tools if major >= client]
    if not suitable:
        raise BackupError(
            Code.NO_TOOLS,
            f"pg_restore {client} or newer is needed to read this dump, and these majors are "
            f"here: {', '.join(map(str, sorted(workplace.tools))) or 'none'}. Use the image that "
            f"is made for PostgreSQL {client}.",
        )
    return workplace.tools[min(suitable) if client else max(suitable)]
