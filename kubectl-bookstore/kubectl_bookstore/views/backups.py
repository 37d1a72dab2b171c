"""What is shown of backups and restores. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bookstore_operator.crd.backup import BackupPhase, BookStoreBackup
from bookstore_operator.crd.restore import BookStoreRestore, RestorePhase
from kubectl_bookstore.errors import ExitCode
from kubectl_bookstore.views.text import age, clean

HEADER = ("NAME", "PHASE", "REASON", "BEGAN", "SIZE", "VERIFIED", "BACKUP", "DETAILS")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_STORED = frozenset({BackupPhase.COMPLETE, BackupPhase.VERIFIED})
_BAD = frozenset({BackupPhase.FAILED, BackupPhase.DAMAGED})


@dataclass(frozen=True, slots=True)
class Progress:
    """How far something is: a line for people, and the exit code once it has ended."""

    line: str
    code: ExitCode | None


def row(backup: BookStoreBackup, now: datetime) -> list[str]:
    """Return the cells of a backup in the table of `HEADER`."""
    status = backup.status
    began = status.started_at or backup.metadata.created_at
    return [
        backup.name,
        str(status.phase or BackupPhase.PENDING),
        str(backup.spec.reason),
        f"{age(began, now)} ago",
        size(status.size_bytes),
        f"{age(status.verified_at, now)} ago" if status.verified_at else "",
        status.backup,
        "" if status.phase in _STORED else clean(status.message),
    ]


def size(count: int | None) -> str:
    """Return a number of bytes as text: `1.5 MiB`; nothing for None."""
    if count is None:
        return ""
    value, unit = float(count), _UNITS[0]
    for larger in _UNITS[1:]:
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"


def newest_stored(backups: Sequence[BookStoreBackup]) -> BookStoreBackup | None:
    """Return the newest backup that is stored and not known to be damaged; None without one."""
    stored = [item for item in backups if item.status.phase in _STORED and item.status.backup]
    return max(stored, key=lambda item: (str(item.status.started_at), item.name), default=None)


def taken(backup: BookStoreBackup) -> Progress:
    """Return how far a backup is: it has ended once it is stored and was read back."""
    phase, status = backup.status.phase, backup.status
    line = f"{backup.name} {phase or BackupPhase.PENDING}"
    if phase in _STORED:
        return Progress(f"{line}: {status.backup}, {size(status.size_bytes)}.", ExitCode.DONE)
    if phase in _BAD:
        return Progress(f"{line}: {status.reason}: {clean(status.message)}", ExitCode.FAILED)
    return Progress(_waiting(line, status.message), None)


def verified(backup: BookStoreBackup, request: str) -> Progress:
    """Return how far a verification is, by the request in the backup's annotation."""
    phase, status = backup.status.phase, backup.status
    line = f"{backup.name} {phase or BackupPhase.PENDING}"
    if status.handled_verification != request:
        return Progress(f"{line}: waits to be verified.", None)
    if phase is BackupPhase.VERIFIED:
        return Progress(f"{line}: {status.backup} is what its manifest says.", ExitCode.DONE)
    return Progress(f"{line}: {status.reason}: {clean(status.message)}", ExitCode.FAILED)


def restored(restore: BookStoreRestore) -> Progress:
    """Return how far a restore is."""
    status = restore.status
    line = f"{restore.name} {status.phase or RestorePhase.PENDING}"
    if status.phase is RestorePhase.COMPLETE:
        seconds = status.recovery_time_seconds
        took = f" in {seconds:.0f} s" if seconds is not None else ""
        until = f"; it holds what was written until {status.data_until:%Y-%m-%dT%H:%M:%SZ}"
        text = f"{line}: {status.backup} is restored{took}{until if status.data_until else ''}."
        return Progress(text, ExitCode.DONE)
    if status.phase is RestorePhase.FAILED:
        return Progress(f"{line}: {status.reason}: {clean(status.message)}", ExitCode.FAILED)
    return Progress(_waiting(line, status.message), None)


def _waiting(line: str, message: str) -> str:
    return f"{line}: {clean(message)}" if message else f"{line}."
