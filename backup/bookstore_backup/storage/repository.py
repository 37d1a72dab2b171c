"""The backups of one store in a target."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from bookstore_backup.errors import BackupError, Code
from bookstore_backup.model import manifest as manifests
from bookstore_backup.model import names
from bookstore_backup.model.manifest import Manifest
from bookstore_backup.storage.stream import checked_parts
from bookstore_backup.storage.target import ObjectMissingError, Stored, Target


@dataclass(frozen=True)
class Verification:
    """What the latest `verify` of a backup found; an empty problem is none."""

    at: str
    problem: str


@dataclass(frozen=True)
class Entry:
    """A backup in the target, as far as its objects show it."""

    name: str
    started: datetime
    size: int
    complete: bool
    legacy: bool = False


class Repository:
    """Reads and writes the objects of one store, and touches no others."""

    def __init__(self, target: Target, store: str) -> None:
        self.target = target
        self.store = names.check_store(store)

    def entries(self) -> list[Entry]:
        """Return what there is, the newest first; a backup is complete if it has a manifest."""
        found: dict[str, list[tuple[str, int]]] = {}
        for stored in self._stored():
            key = names.parse_key(self.store, stored.key)
            if key is not None:
                found.setdefault(key.backup, []).append((key.file, stored.size))
        entries = [_entry(name, files) for name, files in found.items()]
        return sorted([*entries, *self._legacy()], key=lambda e: (e.started, e.name), reverse=True)

    def find(self, name: str) -> Entry:
        """Return the complete backup or the legacy dump of a name, or of `latest`."""
        usable = [entry for entry in self.entries() if entry.complete or entry.legacy]
        matching = [entry for entry in usable if name in {"latest", entry.name}]
        if not matching:
            raise self._missing(name)
        return matching[0]

    def newest_good(self, before: datetime | None = None) -> Entry:
        """Return the newest backup that no verify or drill has found damaged; raises BackupError.

        With a time: the newest that began before it.
        """
        for entry in self.entries():
            usable = entry.complete or entry.legacy
            if usable and (before is None or entry.started < before) and self._is_good(entry):
                return entry
        raise self._missing("latest" if before is None else f"latest before {before.isoformat()}")

    def manifest(self, name: str) -> Manifest:
        """Return the manifest of a complete backup; raises BackupError."""
        try:
            data = self._read(name, names.MANIFEST)
        except ObjectMissingError as error:
            raise self._missing(name) from error
        return manifests.decode(data, store=self.store, name=name)

    def is_complete(self, name: str) -> bool:
        """Whether there is a manifest now, whatever is in it: a deletion deletes that first."""
        try:
            self._read(name, names.MANIFEST)
        except ObjectMissingError:
            return False
        return True

    def put_manifest(self, manifest: Manifest) -> None:
        """Store the manifest, which makes a backup complete."""
        data = manifests.encode(manifest)
        self.target.put(names.key(self.store, manifest.name, names.MANIFEST), data)
        if self._read(manifest.name, names.MANIFEST) != data:
            self.delete(manifest.name)
            raise BackupError(
                Code.READ_BACK_FAILED,
                f"{self.target.where} gave back another manifest than was stored. The backup was "
                "deleted again; check the target, then take another one.",
            )

    def check_parts(self, manifest: Manifest) -> Iterator[int]:
        """Read all parts back; yield the size of each that is as it should be."""
        for data in checked_parts(self.target, self.store, manifest.name, manifest.parts):
            yield len(data)

    def verification(self, name: str) -> Verification | None:
        """Return what the latest verify found; None if there was none that can be read."""
        try:
            content = json.loads(self._read(name, names.VERIFIED))
            return Verification(at=str(content["at"]), problem=str(content["problem"]))
        except (ObjectMissingError, ValueError, KeyError, TypeError):
            return None

    def put_verification(self, name: str, problem: str) -> None:
        """Keep what a verify found, for `list` and for retention."""
        content = {"at": manifests.utc_now().isoformat(), "problem": problem}
        data = json.dumps(content).encode()
        self.target.put(names.key(self.store, name, names.VERIFIED), data)

    def delete(self, name: str) -> None:
        """Delete a backup: the manifest first, so that no half of it looks complete."""
        own = [stored.key for stored in self._stored() if self._is_of(stored, name)]
        last = names.key(self.store, name, names.MANIFEST)
        for key in sorted(own, key=lambda key: key != last):
            self.target.delete(key)

    def delete_partials(self) -> list[str]:
        """Delete what has no manifest: interrupted backups and deletions. Return their names.

        Only for whoever holds the database's lock, so that no other backup is being taken.
        """
        partial = [
            entry.name for entry in self.entries() if not entry.complete and not entry.legacy
        ]
        for name in partial:
            self.delete(name)
        for stored in self._stored():
            file = stored.key.rpartition("/")[2]
            if file.startswith((".partial-", ".probe-")):
                self.target.delete(stored.key)
        return partial

    def _stored(self) -> list[Stored]:
        return self.target.objects(names.prefix(self.store))

    def _is_of(self, stored: Stored, name: str) -> bool:
        key = names.parse_key(self.store, stored.key)
        return key is not None and key.backup == name

    def _is_good(self, entry: Entry) -> bool:
        found = None if entry.legacy else self.verification(entry.name)
        return found is None or not found.problem

    def _read(self, name: str, file: str) -> bytes:
        return b"".join(self.target.get(names.key(self.store, name, file)))

    def _legacy(self) -> list[Entry]:
        """Return the dumps that a CronJob without this tool left at the root of a volume."""
        entries = []
        for stored in self.target.dumps_at_root():
            started = names.started_at(stored.key)
            if started is not None and names.is_legacy(stored.key):
                entries.append(Entry(stored.key, started, stored.size, False, legacy=True))
        return entries

    def _missing(self, name: str) -> BackupError:
        return BackupError(
            Code.NOT_FOUND,
            f'The store "{self.store}" has no complete backup "{name}" in {self.target.where}. '
            "`bookstore-backup list` shows what there is.",
        )


def _entry(name: str, files: list[tuple[str, int]]) -> Entry:
    started = names.started_at(name)
    assert started is not None  # noqa: S101 - parse_key has seen to it
    complete = any(file == names.MANIFEST for file, _ in files)
    return Entry(name, started, sum(size for _, size in files), complete)
