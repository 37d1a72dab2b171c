"""Keep what was found wrong with a backup beside it, and name the backup in the error."""

from collections.abc import Iterator
from contextlib import contextmanager

from bookstore_backup.errors import BackupError, Code
from bookstore_backup.storage.repository import Entry, Repository

_LOST = frozenset({Code.DAMAGED, Code.CONTENT_DIFFERS})


@contextmanager
def keeping_damage(repository: Repository, entry: Entry) -> Iterator[None]:
    """Keep what errors of the block say of a damaged backup, for `list` and for retention.

    A backup that retention of another process has deleted meanwhile is not damaged: it is gone.
    Its missing parts look the same, so its manifest is asked for again, which is deleted first.
    """
    try:
        yield
    except BackupError as error:
        error.backup = entry.name
        if error.code not in _LOST or entry.legacy:
            raise
        if not repository.is_complete(entry.name):
            raise BackupError(
                Code.NOT_FOUND,
                f'"{entry.name}" was deleted while it was read, as retention does after a newer '
                "backup. Repeat the command: it takes the newest one.",
                entry.name,
            ) from error
        repository.put_verification(entry.name, str(error))
        raise
