"""Prove a backup: restore it into a database made for that, compare, measure, forget it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from bookstore_backup.errors import BackupError, Code
from bookstore_backup.model import tools as choice
from bookstore_backup.model.manifest import Manifest, utc_now
from bookstore_backup.postgres.connection import Database
from bookstore_backup.postgres.drill_database import PREFIX, drill_database
from bookstore_backup.postgres.ephemeral import ephemeral_server
from bookstore_backup.work.damage import keeping_damage
from bookstore_backup.work.restore import Restored, restore_backup
from bookstore_backup.work.workplace import Workplace

__all__ = ["PREFIX", "Drilled", "drill_backup"]


@dataclass(frozen=True)
class Drilled:
    """What the drill measured: recovery time and recovery point."""

    restored: Restored
    at: datetime

    @property
    def point_seconds(self) -> float:
        """How old what was restored is: what would be lost at most."""
        return (self.at - self.restored.entry.started).total_seconds()


def drill_backup(
    workplace: Workplace, name: str, server: Database | None, kept_as: str | None = None
) -> Drilled:
    """Restore a backup and compare it with its manifest; raises BackupError.

    Without a server one is started for it. A drill that finds a damaged backup keeps that beside
    it, so that retention never takes it for a good one. With a name the restored database is kept
    under that on the server, for others to look at, until the next drill there.
    """
    repository = workplace.repository
    entry = repository.find(name)
    if entry.legacy:
        raise BackupError(
            Code.NO_MANIFEST,
            f'"{entry.name}" has no manifest to compare with: use `restore` or `verify`.',
            entry.name,
        )
    with keeping_damage(repository, entry):
        manifest = repository.manifest(entry.name)
        with (
            _server(workplace, manifest, server) as found,
            drill_database(found, manifest.server, kept_as) as database,
        ):
            restored = restore_backup(workplace, entry, database)
    repository.put_verification(entry.name, "")
    return Drilled(restored, utc_now())


@contextmanager
def _server(
    workplace: Workplace, manifest: Manifest, server: Database | None
) -> Iterator[Database]:
    """Yield the server to restore into: the given one, or one of the same major version."""
    if server is not None:
        yield server
        return
    workplace.report.step("starting a server")
    major = choice.to_restore(
        manifest.server.major,
        int(manifest.client_version.partition(".")[0]),
        workplace.tools,
    )
    with ephemeral_server(workplace.tools[major], workplace.scratch) as own:
        yield own
