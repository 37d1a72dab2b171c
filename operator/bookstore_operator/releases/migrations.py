"""The Jobs that migrate the schema for a release."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bookstore_operator.components.database.identity import database_identity
from bookstore_operator.core import contract, history, names
from bookstore_operator.core.gate import Waiting
from bookstore_operator.core.kinds import JOBS
from bookstore_operator.core.labels import (
    COMPONENT_LABEL,
    RELEASE_LABEL,
    Component,
)
from bookstore_operator.core.lookup import all_of, label, owned_by
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.attempts import Branch
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.workloads import pod_problems, termination
from bookstore_operator.workloads.jobs import (
    Ending,
    end_condition,
    ended_at,
    ending_of,
    pods_of,
    result_of,
)

_MIGRATION_JOB = re.compile(rf".*-({'|'.join(Branch)})(-\d+)?")


@dataclass(frozen=True, slots=True)
class Migration:
    """One attempt to migrate the schema, as its Job shows it."""

    job: Manifest
    attempt: int
    ending: Ending
    code: str = ""
    message: str = ""
    schema_before: tuple[str, ...] | None = None
    """None if it is unknown."""
    schema_after: tuple[str, ...] = ()
    ended_at: datetime | None = None

    @property
    def name(self) -> str:
        """The Job's name."""
        name: str = self.job["metadata"]["name"]
        return name

    @property
    def counts(self) -> bool:
        """Whether it counts as a failed attempt."""
        return self.ending is Ending.FAILED and not is_transient(self.code, self.message)

    def may_have_changed(self, known: Sequence[str]) -> bool:
        """Whether it has changed the schema, or ended without saying what it left.

        Args:
            known: the revisions of the schema before it, as far as they are recorded. An attempt
                that lost its connection says nothing, and the next one finds nothing to do.

        """
        if not self.schema_after:
            return self.code not in contract.NOT_BEGUN
        before = [
            {*revisions}
            for revisions in (self.schema_before, known or None)
            if revisions is not None
        ]
        return not before or any({*self.schema_after} != revisions for revisions in before)


def is_transient(code: str, message: str) -> bool:
    """Whether the state of the database was the cause of a failure: it is retried without limit."""
    return code in contract.RETRY_REASONS or termination.volume_full(message)


def migrations_of(
    snapshot: Snapshot, release: BookStoreRelease, branch: Branch = Branch.EXPAND
) -> tuple[Migration, ...]:
    """Return the migrations of a release whose Jobs exist, oldest first."""
    jobs = (job for job in _migration_jobs(snapshot) if _is_of(job, release, branch))
    migrations = (_read(snapshot, release, job) for job in jobs)
    return tuple(sorted(migrations, key=lambda migration: migration.attempt))


def running_migration(
    snapshot: Snapshot, but: BookStoreRelease | None = None, branch: Branch = Branch.EXPAND
) -> Manifest | None:
    """Return a running migration Job; None if there is none.

    Args:
        snapshot: what is observed.
        but: the release whose own migrations do not count.
        branch: the branch of these.

    """
    for job in _migration_jobs(snapshot):
        mine = but is not None and _is_of(job, but, branch)
        if not mine and ending_of(snapshot, job) is Ending.RUNNING:
            return job
    return None


def _is_of(job: Manifest, release: BookStoreRelease, branch: Branch) -> bool:
    """Whether a Job migrates a branch for a release."""
    name = job["metadata"]["name"]
    mine = owned_by(job, release.metadata.uid)
    return mine and names.migration_attempt(release.name, name)[0] is branch


def running_answer(
    snapshot: Snapshot,
    release: BookStoreRelease,
    attempt: int,
    now: datetime,
    branch: Branch = Branch.EXPAND,
) -> Waiting:
    """Return the answer of a gate that waits for a running migration Job."""
    key = JOBS.ref(names.migration_job(release.name, attempt, branch))
    job = snapshot.objects.get(key) or {"metadata": {"name": key.name}, "spec": {}}
    if held := held_back(job):
        return held
    pods = {RELEASE_LABEL: release.name, COMPONENT_LABEL: Component.MIGRATION.value}
    problem = pod_problems.problem_of_pods(snapshot, pods, key, now)
    seconds = job["spec"].get("activeDeadlineSeconds")
    message = (
        f"Waiting for migration Job {key.name}. Its time limit is {seconds} s "
        "(spec.migration.timeoutSeconds)."
    )
    until = pod_problems.end_deadline(snapshot, pods, now)
    return pod_problems.wait_for_pods(Reason.MIGRATING, message, problem, until)


def held_back(job: Manifest) -> Waiting | None:
    """Return what to do about a migration Job that others keep from running, if they do."""
    name = job["metadata"]["name"]
    if job["spec"].get("suspend"):
        return Waiting(
            Reason.MIGRATION_SUSPENDED,
            f"Migration Job {name} is suspended (spec.suspend), and its time limit with it. "
            "Another program, such as a queue for Jobs, or a person has done that. To let it run: "
            f'kubectl patch job {name} --type=merge -p \'{{"spec":{{"suspend":false}}}}\'.',
            stalled=True,
        )
    if job["spec"].get("parallelism") == 0:
        return Waiting(
            Reason.MIGRATION_SUSPENDED,
            f"Migration Job {name} may have no Pod: somebody has set spec.parallelism to 0, "
            "and its time limit runs. To let it run: "
            f'kubectl patch job {name} --type=merge -p \'{{"spec":{{"parallelism":1}}}}\'.',
            stalled=True,
        )
    return None


def is_expanded_already(snapshot: Snapshot, release: BookStoreRelease) -> bool:
    """Whether there is nothing to find out by a Job.

    The active release has the same image, and has migrated the current database.
    """
    active = history.active(snapshot)
    if active is None or active == release or release.status.last_attempt:
        return False
    same_image = release.spec.intent.get("image") == active.spec.intent.get("image")
    database = database_identity(snapshot, release)
    return same_image and bool(database) and active.status.database == database


def terminating_pods(snapshot: Snapshot, job: Manifest) -> list[Manifest]:
    """Return the Pods of a Job that are marked for deletion and still exist."""
    return [pod for pod in pods_of(snapshot, job) if pod["metadata"].get("deletionTimestamp")]


def _migration_jobs(snapshot: Snapshot) -> list[Manifest]:
    """Return the migration Jobs: by label, and by name, because labels can be removed."""
    return [
        job
        for job in all_of(snapshot, JOBS)
        if label(job, COMPONENT_LABEL) == Component.MIGRATION.value
        or _MIGRATION_JOB.fullmatch(job["metadata"]["name"])
    ]


def _read(snapshot: Snapshot, release: BookStoreRelease, job: Manifest) -> Migration:
    ending = ending_of(snapshot, job)
    _, attempt = names.migration_attempt(release.name, job["metadata"]["name"])
    if ending is Ending.RUNNING:
        return Migration(job, attempt, ending)
    outcome = contract.read_outcome(result_of(snapshot, job))
    why = _why_failed(job) if ending is Ending.FAILED else ""
    return Migration(
        job,
        attempt,
        ending,
        code=outcome.code,
        message=outcome.message or why,
        schema_before=outcome.schema_before,
        schema_after=outcome.schema_after,
        ended_at=ended_at(snapshot, job),
    )


def _why_failed(job: Manifest) -> str:
    ended = end_condition(job) or {}
    if ended.get("reason") == "DeadlineExceeded":
        seconds = job["spec"].get("activeDeadlineSeconds")
        return (
            f"It did not complete within {seconds} s (spec.migration.timeoutSeconds). "
            "Check that its image can be pulled and its Pod scheduled, or raise the limit."
        )
    return f"{ended.get('reason', 'It failed')}: {ended.get('message', 'no details given')}"
