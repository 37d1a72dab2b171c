"""Go back to the release that served before, while its color is warm.

Two records decide, then the Service follows as in every promotion. The first record, that of the
release that is rolled back, is the decision: from then on the older release is the active one. The
second is derived from it at each visit, so that it is completed if the operator was killed between
the two.
"""

from datetime import datetime

from bookstore_operator.components.serving.availability import all_available, deployment_of, runs
from bookstore_operator.components.serving.replicas import live_size
from bookstore_operator.core import history
from bookstore_operator.core.gate import Answer, Failed, Passed, Waiting
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.records import update_status
from bookstore_operator.core.snapshot import Snapshot, find_release
from bookstore_operator.crd.release import BookStoreRelease, Result
from bookstore_operator.releases.contracts import contracted_since, image_of

NOTHING_TO_GO_BACK_TO = "No release served before it, so there is nothing to go back to."


def former(snapshot: Snapshot) -> BookStoreRelease | None:
    """Return the release that served before the active one, if its color is not free yet."""
    names = history.superseded_active(snapshot)
    return find_release(snapshot, names[-1]) if names else None


def warm(snapshot: Snapshot) -> BookStoreRelease | None:
    """Return the release to go back to by one switch; None if its Pods do not all run."""
    older = former(snapshot)
    deployment = deployment_of(snapshot, older) if older else None
    if older is None or deployment is None or not runs(deployment, older):
        return None
    return older if all_available(deployment, live_size(snapshot)) else None


def switch_back(snapshot: Snapshot, failed: BookStoreRelease, why: str, now: datetime) -> Snapshot:
    """Return the Snapshot in which the release before `failed` serves again.

    Args:
        snapshot: what is observed; `warm` has a release.
        failed: the active release.
        why: the cause with its measured values, as sentences.
        now: the current time.

    Raises:
        ValueError: no release is warm.

    """
    older = warm(snapshot)
    if older is None or failed != history.active(snapshot):
        message = f"there is no warm release to go back to from {failed.name}"
        raise ValueError(message)
    decided = update_status(
        snapshot,
        failed,
        result=Result.ROLLED_BACK,
        reason=Reason.ROLLED_BACK,
        message=why,
        demoted_at=now,
        rolled_back_to=older.name,
    )
    return complete(decided)


def complete(snapshot: Snapshot) -> Snapshot:
    """Return the Snapshot in which a release that serves again by a rollback is promoted again."""
    failed, older = history.rolled_back(snapshot), history.active(snapshot)
    if failed is None or older is None or older.status.rolled_back_from == failed.name:
        return snapshot
    return update_status(
        snapshot,
        older,
        result=Result.PROMOTED,
        reason="Promoted",
        message=f"Revision {older.spec.revision} serves again: {failed.name} was rolled back.",
        stage="Drain",
        stage_started_at=failed.status.demoted_at,
        promoted_at=failed.status.demoted_at,
        served_at=None,
        rolled_back_from=failed.name,
    )


def refusal(snapshot: Snapshot, older: BookStoreRelease) -> str:
    """Return why nobody can go back to an older release by a new one; empty if it may be tried."""
    newer = contracted_since(snapshot, older)
    if newer is None:
        return ""
    return (
        f"{newer.name} ({image_of(newer)}) has contracted the schema, or may have: what "
        f"{older.name} ({image_of(older)}) needs can be gone, and a schema is never downgraded. "
        "Release an image that works on it, or restore a backup."
    )


def overrule(snapshot: Snapshot, answer: Answer) -> Answer:
    """Return what a BookStore waits for whose spec is overruled by the release that serves."""
    serving = history.active(snapshot)
    if serving is None or not history.overrules_spec(snapshot, serving):
        return answer
    drains = isinstance(answer, Waiting) and answer.reason is Reason.DRAINING
    if not isinstance(answer, Passed) and not drains:
        return answer
    message = (
        f"{_serves(serving)} since a person asked to go back to {serving.spec.rollback_of}. The "
        f"BookStore asks for {serving.spec.overrides}, which is not released again meanwhile. "
        "Change the BookStore, or put its spec back; to release what it asks for: kubectl "
        f"bookstore retry {snapshot.store.name}."
    )
    if isinstance(answer, Waiting):
        return Waiting(Reason.ROLLED_BACK, message, answer.until, stalled=True)
    return Failed(Reason.ROLLED_BACK, message)


def describe(snapshot: Snapshot, failed: BookStoreRelease) -> str:
    """Return which revision serves instead of a release, why, and what to do."""
    serving = history.active(snapshot)
    image = failed.spec.intent.get("image", "")
    serves = f"{_serves(serving)}. " if serving else ""
    store = snapshot.store.name
    return (
        f"{serves}{failed.name} ({image}) was rolled back: {failed.status.message} It is not "
        "released again while the BookStore asks for it. Fix the cause and change the BookStore, "
        f"or put its spec back; to release it again as it is: kubectl bookstore retry {store}."
    )


def _serves(release: BookStoreRelease) -> str:
    image = release.spec.intent.get("image", "")
    return f"Revision {release.spec.revision} ({release.name}, {image}) serves"
