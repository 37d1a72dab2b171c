"""List the backups of a store, and delete what retention does not keep."""

from dataclasses import dataclass

from bookstore_backup.errors import BackupError
from bookstore_backup.model.manifest import Manifest
from bookstore_backup.model.retention import Candidate, Policy, deletions
from bookstore_backup.storage.repository import Entry, Repository, Verification


@dataclass(frozen=True)
class Listed:
    """A backup with what is known of it; `problem` is empty where nothing is wrong."""

    entry: Entry
    manifest: Manifest | None
    verification: Verification | None
    problem: str

    @property
    def state(self) -> str:
        """One word for it."""
        if self.entry.legacy:
            return "Legacy"
        if not self.entry.complete:
            return "Partial"
        if self.problem:
            return "Damaged"
        return "Verified" if self.verification else "Complete"


def list_backups(repository: Repository) -> list[Listed]:
    """Return the backups, the newest first."""
    return [_listed(repository, entry) for entry in repository.entries()]


@dataclass(frozen=True)
class Pruned:
    """What retention has deleted, and what is left, the newest first."""

    deleted: list[str]
    """Names, the oldest first."""
    left: list[Listed]


def prune_backups(repository: Repository, policy: Policy, *, dry_run: bool) -> Pruned:
    """Delete what the policy does not keep.

    A backup that is being taken has no manifest yet, so it is no candidate; nor are legacy dumps,
    which nothing is known of.
    """
    listed = list_backups(repository)
    candidates = [
        Candidate(repository.store, item.entry.name, item.entry.started, not item.problem)
        for item in listed
        if item.entry.complete
    ]
    unneeded = [candidate.name for candidate in deletions(candidates, repository.store, policy)]
    if not dry_run:
        for name in unneeded:
            repository.delete(name)
    return Pruned(unneeded, [item for item in listed if item.entry.name not in unneeded])


def _listed(repository: Repository, entry: Entry) -> Listed:
    if not entry.complete:
        return Listed(entry, None, None, "")
    try:
        manifest = repository.manifest(entry.name)
    except BackupError as error:
        return Listed(entry, None, None, str(error))
    verification = repository.verification(entry.name)
    return Listed(entry, manifest, verification, verification.problem if verification else "")
