"""Stage Budget: both colors at full size fit into the database's connections.

Two colors side by side may take a database down, and all others that use it with it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bookstore_operator.components.database.identity import database_identity
from bookstore_operator.components.serving.replicas import live_size, size
from bookstore_operator.core import history
from bookstore_operator.core.gate import Answer, Failed, Passed, Waiting
from bookstore_operator.core.plan import Action
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.records import update_status
from bookstore_operator.core.snapshot import Snapshot, find_release
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.checks import (
    BUDGET,
    COMPATIBLE,
    VALIDATE,
    CheckRecord,
    ConnectionBudget,
    Connections,
    Fit,
    Share,
)
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.releases.checks import (
    Check,
    check_answer,
    find_record,
    outcome_of,
    put_record,
    run_check,
)
from bookstore_operator.releases.progress import Progress
from bookstore_operator.releases.schema_checks import (
    DOES_NOT_WORK,
    schema_check,
    unanswered,
)

MARGIN = 5
"""Connections besides those of the colors: two for a migration, one each for a check, for a backup
and for an administrator."""
FRESH = timedelta(hours=1)
"""How old an answer may be that another release's Job has given."""
_WHERE = {
    "server": ("the server allows", "max_connections of the server"),
    "role": ("the role allows", "the CONNECTION LIMIT of the role"),
    "database": ("the database allows", "the CONNECTION LIMIT of the database"),
}


def budget(snapshot: Snapshot, release: BookStoreRelease, visit: Visit) -> Progress:
    """Compare what both colors may open with what the database allows; ask it if need be."""
    snapshot = _with_known_answer(snapshot, release, visit.now)
    release = find_release(snapshot, release.name)
    actions: tuple[Action, ...] = ()
    if _answered(snapshot, release) is None:
        progress = run_check(snapshot, release, _check(release), visit)
        snapshot, actions = progress.snapshot, progress.actions
    answer = visit.ask(connections_fit, snapshot)
    return Progress(_with_result(snapshot, release, answer), answer, actions)


def connections_fit(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass if both colors at full size fit, or if that is unknown."""
    release = history.newest(snapshot)
    if release is None:
        return Waiting(Reason.CHECKING_CONNECTIONS, "There is no release yet.")
    answered = _answered(snapshot, release)
    if answered is None:
        return check_answer(snapshot, release, _check(release), now)
    if failed := _failure_of_own_check(release, answered):
        return failed
    result = compute(snapshot, release, answered)
    if result.result == Fit.EXCEEDED:
        return Failed(Reason.CONNECTION_BUDGET_EXCEEDED, result.message)
    return Passed()


def compute(
    snapshot: Snapshot, release: BookStoreRelease, answered: CheckRecord
) -> ConnectionBudget:
    """Return whether both colors fit into what a database allows, by its answer."""
    need = _need(snapshot, release)
    connections = answered.data.connections if answered.data else None
    if need is None:
        return _unknown("an image has not said how many connections its Pods open")
    if connections is None:
        return _unknown("the database has not said how many connections it allows", need)
    if connections.pooled:
        why = "a connection pooler stands between, whose limits are unknown"
        return _unknown(f"{why}. Set database.external.directKey to ask the database itself", need)
    exceeded, unknown = _compare(connections, need)
    if exceeded:
        message = max(exceeded)[1]
        return ConnectionBudget(result=Fit.EXCEEDED, needed=need.total, message=message)
    if unknown:
        return _unknown(f"the limit of the {' and the '.join(unknown)} is unknown", need)
    message = f"{need.text} fit into the database's connections."
    return ConnectionBudget(result=Fit.FITS, needed=need.total, message=message)


@dataclass(frozen=True, slots=True)
class Need:
    """How many connections a release needs at most."""

    total: int
    text: str
    """The same as the subject of a sentence."""
    embedded: bool


def _need(snapshot: Snapshot, release: BookStoreRelease) -> Need | None:
    """Return what both colors at full size need; None if an image has not said it."""
    active, live = history.active(snapshot), live_size(snapshot)
    each, parts = _per_pod(release), []
    if each is None:
        return None
    total = live * each
    if active and active.name != release.name:
        old = _per_pod(active)
        if old is None:
            return None
        count = max(live, size(snapshot, active.spec.color) or 0)
        total += count * old
        parts.append(_of(count, old, active))
    parts.append(_of(live, each, release))
    total += MARGIN
    parts.append(f"{MARGIN} for a migration, a check, a backup and an administrator")
    text = f"{total} connections at most ({', '.join(parts)})"
    return Need(total, text, snapshot.store.spec.database.external is None)


def _of(count: int, each: int, release: BookStoreRelease) -> str:
    pods = "1 Pod" if count == 1 else f"{count} Pods"
    return f"{pods} with {each} each of revision {release.spec.revision}"


def _compare(connections: Connections, need: Need) -> tuple[list[tuple[int, str]], list[str]]:
    """Return by how many a limit is exceeded, each with its message, and the unknown limits."""
    exceeded, unknown = [], []
    for name in _WHERE:
        share: Share | None = getattr(connections, name)
        if share is None:
            unknown.append(name)
        elif share.limit is not None:
            over = need.total - (share.limit - share.held_by_others)
            if over > 0:
                exceeded.append((over, _excess(name, share, need, over)))
    return exceeded, unknown


def _excess(name: str, share: Share, need: Need, over: int) -> str:
    allows, field = _WHERE[name]
    raised = "" if need.embedded else f"Raise {field}, or lower"
    return (
        f"The release needs {need.text}, but {allows} {share.limit}, of which others hold "
        f"{share.held_by_others}: {over} too many. {raised or 'Lower'} "
        "spec.config.databasePoolSize or the number of Pods. No Pod of the release is started."
    )


def _unknown(why: str, need: Need | None = None) -> ConnectionBudget:
    needed = need.total if need else None
    return ConnectionBudget(result=Fit.UNKNOWN, needed=needed, message=f"Unknown: {why}.")


def _per_pod(release: BookStoreRelease) -> int | None:
    record = find_record(release, VALIDATE)
    return record.data.connections_per_pod if record and record.data else None


# The answer -----------------------------------------------------------------------------------


def _check(release: BookStoreRelease) -> Check:
    question = "how many connections the database allows, and whether it works on the schema"
    return schema_check(BUDGET, release, question, Reason.CHECKING_CONNECTIONS)


def _answered(snapshot: Snapshot, release: BookStoreRelease) -> CheckRecord | None:
    """Return the record of the check that has the answer: the old image's, or this stage's own."""
    old = find_record(release, COMPATIBLE)
    if old and old.ended_at and old.code and old.database == database_identity(snapshot):
        return old
    return outcome_of(snapshot, release, _check(release))


def _with_known_answer(snapshot: Snapshot, release: BookStoreRelease, now: datetime) -> Snapshot:
    """Return the Snapshot with the active release's answer if it is the same image's and fresh."""
    active = history.active(snapshot)
    if active is None or active.name == release.name or find_record(release, BUDGET):
        return snapshot
    if active.spec.intent.get("image") != release.spec.intent.get("image"):
        return snapshot
    if _answered(snapshot, release):
        return snapshot
    known = _answered(snapshot, active)
    if known is None or known.ended_at is None or now >= known.ended_at + FRESH:
        return snapshot
    copied = {"name": BUDGET, "reused_from": known.reused_from or active.name}
    return put_record(snapshot, release, known.model_copy(update=copied))


def _failure_of_own_check(release: BookStoreRelease, answered: CheckRecord) -> Failed | None:
    """Return the failure of a new image that does not work on the schema; None if it does."""
    if answered.name != BUDGET:
        return None
    if answered.code in DOES_NOT_WORK:
        return Failed(
            Reason.SCHEMA_INCOMPATIBLE,
            f"Image {answered.image} does not work on the schema ({answered.code}): "
            f"{answered.message.rstrip('.')}. No Pod of {release.name} is started. Release an "
            "image whose migrations belong to its code.",
        )
    return unanswered(release, _check(release), answered)


def _with_result(snapshot: Snapshot, release: BookStoreRelease, answer: Answer) -> Snapshot:
    release = find_release(snapshot, release.name)
    answered = _answered(snapshot, release)
    if answered is None or isinstance(answer, Waiting):
        return snapshot
    result = compute(snapshot, release, answered)
    return update_status(snapshot, release, connection_budget=result)
