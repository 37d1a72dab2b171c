"""Stage Compatible: the old code works on the new schema, before anything new is started.

From here until the switch, and for a rollback after it, the old code serves on this schema.
"""

from datetime import datetime

from bookstore_operator.core import history
from bookstore_operator.core.gate import Answer, Failed, Passed
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.checks import COMPATIBLE, CheckRecord
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.releases.checks import Check, check_answer, outcome_of, run_check
from bookstore_operator.releases.progress import Progress
from bookstore_operator.releases.schema_checks import (
    DOES_NOT_WORK,
    schema_check,
    unanswered,
)


def compatible(snapshot: Snapshot, release: BookStoreRelease, visit: Visit) -> Progress:
    """Ask the active release's image, unless the schema is the one that it served on before."""
    active = history.active(snapshot)
    if active is None or not (release.spec.rollback_of or _has_new_schema(release)):
        return Progress(snapshot, Passed())
    check = _check(release if release.spec.rollback_of else active)
    progress = run_check(snapshot, release, check, visit)
    answer = visit.ask(old_code_works, progress.snapshot)
    return Progress(progress.snapshot, answer, progress.actions)


def old_code_works(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass if the active release's image works on the schema that the newest release has made."""
    release, active = history.newest(snapshot), history.active(snapshot)
    if release is None or active is None:
        return Passed()
    check = _check(release if release.spec.rollback_of else active)
    answered = outcome_of(snapshot, release, check)
    if answered is None:
        return check_answer(snapshot, release, check, now)
    if answered.code in DOES_NOT_WORK and release.spec.rollback_of:
        return _outgrown(release, check, answered)
    if answered.code in DOES_NOT_WORK:
        return _incompatible(release, active, check, answered)
    return unanswered(release, check, answered) or Passed()


def _check(asked: BookStoreRelease) -> Check:
    """Return the check of the older code: that which serves, or that which is to serve again."""
    question = "whether the older code works on the schema"
    return schema_check(COMPATIBLE, asked, question, Reason.CHECKING_COMPATIBILITY)


def _has_new_schema(release: BookStoreRelease) -> bool:
    """Whether the release's migration has changed the schema, or may have."""
    last = release.status.last_attempt
    return last is not None and last.changed


def _outgrown(release: BookStoreRelease, check: Check, answered: CheckRecord) -> Failed:
    return Failed(
        Reason.SCHEMA_INCOMPATIBLE,
        f"Image {check.image}, to which {release.name} was to go back, does not work on the schema "
        f"as it is now ({answered.code}): {answered.message.rstrip('.')}. What serves goes on "
        "serving. The schema is never downgraded: release an image that works on it.",
    )


def _incompatible(
    release: BookStoreRelease, active: BookStoreRelease, check: Check, answered: CheckRecord
) -> Failed:
    schema = ", ".join(release.status.schema_revisions[-1:]) or "the new revision"
    return Failed(
        Reason.SCHEMA_INCOMPATIBLE,
        f"Image {check.image}, which serves, does not work on the schema that {release.name} has "
        f"migrated to {schema} ({answered.code}): {answered.message.rstrip('.')}. Revision "
        f"{active.spec.revision} goes on serving, though with that problem, and no Pod of "
        f"{release.name} is started. The schema is not downgraded: add an expand migration that "
        "lets the old code work again, and release an image with it.",
    )
