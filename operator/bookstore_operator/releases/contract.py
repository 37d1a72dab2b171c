"""The contract: remove from the schema what only older code needs.

It destroys data, so it waits: for the end of the rollback window, for a backup that began after the
switch, and until no Pod of older code is left. It is no stage, for it ends no release and blocks
none: while it waits, the release has succeeded, and the contract of a later release includes it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from bookstore_operator.components.backup import schedule
from bookstore_operator.components.backup.runs import newest_success, newest_verified
from bookstore_operator.components.database.gate import database_ready
from bookstore_operator.components.database.identity import (
    database_identity,
    describe_replacement,
    replaced,
)
from bookstore_operator.core import history, names
from bookstore_operator.core.gate import Passed, Waiting
from bookstore_operator.core.kinds import DEPLOYMENTS, RELEASES
from bookstore_operator.core.lookup import find
from bookstore_operator.core.plan import Action, ObjectRef, WriteStatus
from bookstore_operator.core.records import update_status
from bookstore_operator.core.snapshot import Snapshot, find_release
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.attempts import (
    Branch,
    ContractRecord,
    ContractState,
    MigrationAttempt,
)
from bookstore_operator.crd.release import BookStoreRelease, Result
from bookstore_operator.crd.spec.migration import Contract
from bookstore_operator.releases.answers import migration_answer
from bookstore_operator.releases.attempts import (
    Attempts,
    attempt_actions,
    attempts_of,
    begin_attempt,
    is_running,
    put_attempts,
    record_attempts,
    retry_at,
)
from bookstore_operator.releases.contracts import contract_heads
from bookstore_operator.releases.migrations import migrations_of, running_migration
from bookstore_operator.releases.old_code import old_pods
from bookstore_operator.releases.progress import Progress
from bookstore_operator.workloads.jobs import Ending
from bookstore_operator.workloads.stuck import cancel_job, never_ran

CANCELLED = "It was cancelled before its Pod ran, to make way for a release."


@dataclass(frozen=True, slots=True)
class _Step:
    """How far the contract is, and whether its next attempt is to begin."""

    state: ContractState
    message: str
    begins: bool = False


Precondition: TypeAlias = Callable[[Snapshot, BookStoreRelease, Visit], str | None]
"""Returns what is waited for, as a sentence; None if it holds."""


def take_up_contract(progress: Progress, visit: Visit) -> Progress:
    """Return the progress of a visit with the next step of the contract of what serves."""
    snapshot = progress.snapshot
    for release in snapshot.releases:
        last = attempts_of(release, Branch.CONTRACT).last
        if last and last.ended_at is None:
            snapshot = record_attempts(snapshot, release, visit.now, Branch.CONTRACT)
    active = history.active(snapshot)
    if active is None or not (active.status.contract or active.status.result is Result.SUCCEEDED):
        return replace(progress, snapshot=snapshot)
    contracted, actions = _contract(snapshot, active, visit)
    return replace(progress, snapshot=contracted, actions=(*progress.actions, *actions))


def contract_due(snapshot: Snapshot) -> datetime | None:
    """Return when a contract that failed is tried again; None if it is not."""
    active = history.active(snapshot)
    record = active.status.contract if active else None
    if active is None or record is None or record.state != ContractState.PENDING:
        return None
    last = record.last_attempt
    if last is None or last.ended_at is None or last.succeeded:
        return None
    return retry_at(snapshot, active, last, Branch.CONTRACT)


def _contract(
    snapshot: Snapshot, release: BookStoreRelease, visit: Visit
) -> tuple[Snapshot, tuple[Action, ...]]:
    """Take the next step of the contract of the release that serves."""
    cancels = tuple(_make_way(snapshot, release, visit))
    step = _next_step(snapshot, release, visit)
    actions: tuple[Action, ...] = ()
    if step.begins:
        snapshot = begin_attempt(snapshot, release, visit.now, Branch.CONTRACT)
        release = find_release(snapshot, release.name)
        number = attempts_of(release, Branch.CONTRACT).count
        job = names.migration_job(release.name, number, Branch.CONTRACT)
        step = replace(step, message=f"Migration Job {job} is created.")
        snapshot = _put_step(snapshot, release, step)
        idle = _idle_deployment(snapshot)
        release = find_release(snapshot, release.name)
        actions = attempt_actions(snapshot, release, Branch.CONTRACT, reads=idle)
    return _put_step(snapshot, release, step), (*cancels, *actions)


def _put_step(snapshot: Snapshot, release: BookStoreRelease, step: _Step) -> Snapshot:
    release = find_release(snapshot, release.name)
    before = release.status.contract or ContractRecord()
    record = before.model_copy(update={"state": step.state.value, "message": step.message})
    return update_status(snapshot, release, contract=record)


def _next_step(snapshot: Snapshot, release: BookStoreRelease, visit: Visit) -> _Step:
    """Return how far the contract is: what runs, what has ended, what is waited for."""
    if is_running(release, Branch.CONTRACT):
        return _running(snapshot, release, visit.now)
    return (
        _settled(snapshot, release)
        or _failed(snapshot, release, visit.now)
        or next(_waits(snapshot, release, visit), None)
        or _Step(ContractState.RUNNING, "", begins=True)
    )


def _settled(snapshot: Snapshot, release: BookStoreRelease) -> _Step | None:
    """Return why no attempt is made: there was one, or there is to be none."""
    last = _last_of_current(snapshot, release)
    heads, applied = contract_heads(release), set(release.status.schema_revisions)
    missing = heads is not None and not heads <= applied
    if last and last.succeeded:
        if missing:
            return _Step(ContractState.PENDING, _ahead(last.message))
        return _Step(ContractState.DONE, last.message)
    if heads is not None and not missing:
        message = "The image has no contract revision that is not applied."
        return _Step(ContractState.NOT_NEEDED, message)
    if snapshot.store.spec.migration.contract is Contract.NEVER:
        return _Step(ContractState.NEVER, "spec.migration.contract is Never.")
    return None


def _last_of_current(snapshot: Snapshot, release: BookStoreRelease) -> MigrationAttempt | None:
    """Return the last attempt if it has ended, and was on the current database."""
    last = attempts_of(release, Branch.CONTRACT).last
    current = database_identity(snapshot, release)
    return last if last and last.ended_at and current in {"", last.database} else None


def _waits(snapshot: Snapshot, release: BookStoreRelease, visit: Visit) -> Iterator[_Step]:
    for precondition in PRECONDITIONS:
        if waits := precondition(snapshot, release, visit):
            yield _Step(ContractState.PENDING, waits)


def _running(snapshot: Snapshot, release: BookStoreRelease, now: datetime) -> _Step:
    answer = migration_answer(snapshot, release, now, Branch.CONTRACT)
    message = "" if isinstance(answer, Passed) else answer.message
    return _Step(ContractState.RUNNING, message)


def _ahead(message: str) -> str:
    return (
        f"{message} Newer code has migrated this database, so this image leaves its contract to "
        "the next release."
    )


def _failed(snapshot: Snapshot, release: BookStoreRelease, now: datetime) -> _Step | None:
    """Return what follows a failed attempt; None if there is none, or the next one is due."""
    known = attempts_of(release, Branch.CONTRACT)
    answer = migration_answer(snapshot, release, now, Branch.CONTRACT)
    last = _last_of_current(snapshot, release)
    if last is None or not isinstance(answer, Waiting):
        return None
    if known.failed >= snapshot.store.spec.migration.attempts:
        job = names.migration_job(release.name, last.number, Branch.CONTRACT)
        return _Step(
            ContractState.FAILED,
            f"The contract migration failed {known.failed} times. Last attempt (Job {job}): "
            f"{last.message} The release serves on. Fix the migration and release a new "
            "image, or raise spec.migration.attempts to try again.",
        )
    if answer.until and now < answer.until:
        return _Step(ContractState.PENDING, answer.message)
    return None


# Preconditions ---------------------------------------------------------------------------------


def _released(snapshot: Snapshot, release: BookStoreRelease, visit: Visit) -> str | None:
    del visit
    newest = history.newest(snapshot)
    if newest and newest.in_flight and newest.name != release.name:
        return f"Waiting for {newest.name}, whose contract includes that of {release.name}."
    if release.status.result is not Result.SUCCEEDED:
        return f"Waiting for the end of {release.name}: until then, it can be rolled back."
    return None


def _approved(snapshot: Snapshot, release: BookStoreRelease, visit: Visit) -> str | None:
    del visit
    manual = snapshot.store.spec.migration.contract is Contract.MANUAL
    if not manual or release.spec.contract_approved:
        return None
    return (
        "Waiting for an approval (spec.migration.contract is Manual): kubectl bookstore approve "
        f"{snapshot.store.name} --contract (spec.contractApproved of {release.name}). After it, "
        "older code can't be released again."
    )


def _protected(snapshot: Snapshot, release: BookStoreRelease, visit: Visit) -> str | None:
    """Return that a backup is waited for that began after the switch, and is fresh."""
    backups = snapshot.store.spec.backup
    if backups is None:
        return (
            "The contract removes data, and nothing is backed up: set spec.backup. Until then the "
            "schema keeps what only older code needs."
        )
    status = release.status
    switch = max(t for t in (status.promoted_at, status.database_replaced_at, _EPOCH) if t)
    # Times of Kubernetes have whole seconds: in the second of the switch, which came first?
    since = max(
        switch + timedelta(seconds=1), visit.now - timedelta(seconds=backups.max_age_seconds)
    )
    if newest_verified(snapshot, since):
        return None
    if taken := newest_success(snapshot, since):
        return f"Waiting for the verification of backup {taken.described}."
    name = names.backup(snapshot.store.name)
    suspended = " Backups are suspended (spec.backup.suspend)." if backups.suspend else ""
    return (
        "Waiting for a backup that begins after the switch and is verified, and is at most "
        f"{backups.max_age_seconds} s old then (spec.backup.maxAgeSeconds).{suspended} To back up "
        f"now: {schedule.backup_now(name)}."
    )


def _no_backup_runs(snapshot: Snapshot, release: BookStoreRelease, visit: Visit) -> str | None:
    """Return that a running backup is waited for: the two would wait for each other's locks."""
    del release, visit
    running = schedule.running(snapshot)
    if running is None or never_ran(snapshot, running):
        return None
    return f"Waiting for backup Job {running['metadata']['name']} to end."


def _no_old_code(snapshot: Snapshot, release: BookStoreRelease, visit: Visit) -> str | None:
    del visit
    left = list(old_pods(snapshot, release))
    if not left:
        return None
    return f"Waiting for the Pods of other code to end: {', '.join(left[:5])}."


def _alone(snapshot: Snapshot, release: BookStoreRelease, visit: Visit) -> str | None:
    del visit
    other = running_migration(snapshot, but=release, branch=Branch.CONTRACT)
    return f"Waiting for migration Job {other['metadata']['name']} to complete." if other else None


def _database(snapshot: Snapshot, release: BookStoreRelease, visit: Visit) -> str | None:
    if replaced(snapshot, release) or not release.status.database:
        return f"{describe_replacement(snapshot, release)} It is migrated first."
    answer = visit.ask(database_ready, snapshot)
    return None if isinstance(answer, Passed) else answer.message


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
PRECONDITIONS: tuple[Precondition, ...] = (
    *(_released, _protected, _approved, _database),
    *(_no_old_code, _alone, _no_backup_runs),
)
"""In the order in which they are reported."""


# A release that begins -------------------------------------------------------------------------


def _make_way(snapshot: Snapshot, release: BookStoreRelease, visit: Visit) -> list[Action]:
    """Return the end of a contract Job whose Pod never ran, if a release waits for it.

    The record follows the deletion: if the operator ends between the two, the attempt counts.
    """
    newest = history.newest(snapshot)
    if newest is None or not newest.in_flight or newest.name == release.name:
        return []
    migrations = migrations_of(snapshot, release, Branch.CONTRACT)
    running = [m.job for m in migrations if m.ending is Ending.RUNNING]
    known = attempts_of(release, Branch.CONTRACT)
    if not running or not known.last or not never_ran(snapshot, running[-1]):
        return []
    if running[-1]["metadata"].get("deletionTimestamp"):
        return []
    ended = known.last.model_copy(update={"ended_at": visit.now, "message": CANCELLED})
    attempts = Attempts(known.count, known.failed, ended)
    after = put_attempts(snapshot, release, Branch.CONTRACT, attempts)
    status = find_release(after, release.name).status.manifest()
    return [
        cancel_job(snapshot, running[-1], "its Pod never ran, and a release begins."),
        WriteStatus(RELEASES.ref(release.name), status, "Cancel", CANCELLED),
    ]


def _idle_deployment(snapshot: Snapshot) -> tuple[ObjectRef, ...]:
    """Return the Deployment of the other color, which may not run older code now."""
    name = names.deployment(snapshot.store.name, history.idle_color(snapshot))
    return (DEPLOYMENTS.ref(name),) if find(snapshot, DEPLOYMENTS, name) else ()
