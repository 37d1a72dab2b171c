"""Whether the schema is migrated for the release that serves, or is to serve."""

from bookstore_operator.components.database.identity import replaced
from bookstore_operator.core import history
from bookstore_operator.core.finding import Finding, fails, holds, unknown
from bookstore_operator.core.gate import Answer, Passed
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.attempts import ContractState
from bookstore_operator.crd.release import BookStoreRelease, Result
from bookstore_operator.crd.stages import is_expanded, precedes_migration
from bookstore_operator.crd.status import DATABASE_MIGRATED


def database_migrated(snapshot: Snapshot, _visit: Visit, answer: Answer) -> Finding:
    """Return the DatabaseMigrated condition, for the newest release once it changes the schema.

    Else for the active one, so that a release with nothing to migrate leaves it as it is.
    """
    active, release = history.active(snapshot), history.newest(snapshot)
    if release and active and not _migrates(release, active):
        release = active
    if active and history.matches_spec(snapshot, active):
        release = active
    if release is None:
        return unknown(DATABASE_MIGRATED, Reason.NO_RELEASE, "No release has started yet.")
    if replaced(snapshot, release) and not isinstance(answer, Passed):
        return fails(DATABASE_MIGRATED, Reason.DATABASE_REPLACED, answer.message)
    if is_expanded(release.status.stage):
        newest = ", ".join(release.status.schema_revisions[-1:]) or "the image's revision"
        message = f"The schema is at {newest}.{_replacement(release)}"
        contract = release.status.contract
        if contract and contract.state == ContractState.FAILED:
            return holds(DATABASE_MIGRATED, Reason.CONTRACT_FAILED, f"{message} {contract.message}")
        return holds(DATABASE_MIGRATED, Reason.MIGRATED, message)
    if release.status.result is Result.FAILED:
        reason = Reason.of_record(release.status.reason)
        return fails(DATABASE_MIGRATED, reason, release.status.message)
    message = "" if isinstance(answer, Passed) else answer.message
    return fails(DATABASE_MIGRATED, Reason.MIGRATING, message or "The schema is not migrated yet.")


def _migrates(release: BookStoreRelease, active: BookStoreRelease) -> bool:
    """Whether a release migrates the schema beyond what the active one has, or has done that."""
    if precedes_migration(release.status.stage):
        return False
    last = release.status.last_attempt
    failed = last is not None and last.ended_at is not None and not last.succeeded
    answers = (record.data for record in release.status.checks if record.data)
    heads = next((answer.heads for answer in answers if answer.heads), None)
    if is_expanded(release.status.stage) or not release.in_flight or failed or heads is None:
        return True
    return not {*heads.expand} <= {*active.status.schema_revisions}


def _replacement(release: BookStoreRelease) -> str:
    """Return a sentence about a database that was replaced while the release served."""
    at = release.status.database_replaced_at
    if at is None:
        return ""
    return (
        f" The database was replaced by another one, and migrated at {at:%Y-%m-%d %H:%M} UTC: if "
        "data is missing, restore a backup."
    )
