"""What a release waits for while it migrates the schema, or retries that."""

from datetime import datetime

from bookstore_operator.components.database.identity import (
    database_identity,
    describe_replacement,
)
from bookstore_operator.components.database.secrets import database_advice
from bookstore_operator.components.database.servers import database_of, server_of
from bookstore_operator.core import contract, names
from bookstore_operator.core.gate import Answer, Failed, Passed, Waiting
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.attempts import Branch, MigrationAttempt
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.releases.attempts import (
    FIRST_BACKOFF,
    attempts_of,
    is_running,
    pods_left,
    retry_at,
    retry_delay,
)
from bookstore_operator.releases.migrations import running_answer
from bookstore_operator.workloads import termination
from bookstore_operator.workloads.pod_causes import full_volume_advice


def migration_answer(
    snapshot: Snapshot, release: BookStoreRelease, now: datetime, branch: Branch = Branch.EXPAND
) -> Answer:
    """Pass when the last migration of a release has succeeded in the current database."""
    last = attempts_of(release, branch).last
    if last is None:
        return Waiting(Reason.MIGRATING, "The migration of the schema has not started yet.")
    if is_running(release, branch):
        return running_answer(snapshot, release, last.number, now, branch)
    if last.ended_at is None:
        name = names.migration_job(release.name, last.number, branch)
        message = f"Migration Job {name} does not exist yet."
        return Waiting(Reason.MIGRATING, message, until=last.started_at + FIRST_BACKOFF)
    if last.database and database_identity(snapshot, release) not in {"", last.database}:
        message = f"{describe_replacement(snapshot, release)} It is migrated next."
        return Waiting(Reason.DATABASE_REPLACED, message)
    return Passed() if last.succeeded else _failed_answer(snapshot, release, last, branch)


def _failed_answer(
    snapshot: Snapshot, release: BookStoreRelease, last: MigrationAttempt, branch: Branch
) -> Waiting | Failed:
    exhausted = attempts_of(release, branch).failed >= snapshot.store.spec.migration.attempts
    if exhausted and release.in_flight:
        name = names.migration_job(release.name, last.number, branch)
        return Failed(
            Reason.MIGRATION_FAILED,
            f"The migration failed. Last attempt (Job {name}): {last.message}",
        )
    reason = (
        Reason.VOLUME_FULL
        if termination.volume_full(last.message)
        else contract.RETRY_REASONS.get(last.code)
    )
    return Waiting(
        reason or Reason.MIGRATION_RETRY,
        _retry_message(snapshot, release, last, branch),
        until=retry_at(snapshot, release, last, branch),
        stalled=exhausted,
    )


def _retry_message(
    snapshot: Snapshot, release: BookStoreRelease, last: MigrationAttempt, branch: Branch
) -> str:
    server = server_of(snapshot.store.name, database_of(release))
    advice = database_advice(snapshot, last.code)
    if termination.volume_full(last.message):
        expand_claim = f"{full_volume_advice(server.claim)} " if server else ""
        advice = expand_claim or "Free disk space on the database server. "
    cause = last.message.rstrip(".")
    name = names.migration_job(release.name, last.number, branch)
    seconds = f"{retry_delay(last).total_seconds():.0f}"
    lost = "".join(map(_may_still_run, pods_left(snapshot, release, branch)))
    return f"Migration Job {name} failed: {cause}. {advice}{lost}Retrying in {seconds} s."


def _may_still_run(pod: Manifest) -> str:
    name, node = pod["metadata"]["name"], (pod.get("spec") or {}).get("nodeName", "unknown")
    return (
        f"Pod {name} may still run on node {node}, which does not confirm its end: the migration's "
        "lock in the database keeps the next attempt from running beside it. "
    )
