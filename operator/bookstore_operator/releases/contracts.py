"""Whether the schema was contracted: removed of what only older code needs."""

from bookstore_operator.components.database.identity import database_identity
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.attempts import Branch
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.releases.attempts import attempts_of, is_running


def contracted_since(snapshot: Snapshot, release: BookStoreRelease) -> BookStoreRelease | None:
    """Return the newer release whose contract may have removed what a release's code needs.

    None if no contract of the current database has begun since, or only ones that are known to have
    changed nothing. Code of the same image has made the contract itself.
    """
    newer = snapshot.releases[snapshot.releases.index(release) + 1 :]
    return next((other for other in newer if _has_outgrown(snapshot, release, other)), None)


def image_of(release: BookStoreRelease) -> str:
    """Return the image of a release."""
    return str(release.spec.intent.get("image", ""))


def contract_heads(release: BookStoreRelease) -> frozenset[str] | None:
    """Return the heads of the contract branch, as the image has named them; None if it has not."""
    answers = (record.data for record in release.status.checks if record.data)
    heads = next((answer.heads for answer in answers if answer.heads), None)
    return None if heads is None else frozenset(heads.contract)


def _has_outgrown(snapshot: Snapshot, release: BookStoreRelease, newer: BookStoreRelease) -> bool:
    record, last = newer.status.contract, attempts_of(newer, Branch.CONTRACT).last
    if record is None or last is None or image_of(newer) == image_of(release):
        return False
    current = database_identity(snapshot, release)
    same = not current or last.database in {"", current}
    return same and (record.changed_at is not None or is_running(newer, Branch.CONTRACT))
