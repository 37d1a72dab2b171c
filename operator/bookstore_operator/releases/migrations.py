"""The attempts to migrate the schema, read from their Jobs."""

from dataclasses import dataclass
from datetime import datetime

from bookstore_operator.core import contract
from bookstore_operator.core.kinds import JOBS
from bookstore_operator.core.labels import ATTEMPT_LABEL, COMPONENT_LABEL, Component
from bookstore_operator.core.lookup import all_of, condition, label, owned_by
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.workloads import termination
from bookstore_operator.workloads.jobs import Ending, ending_of, result_of


@dataclass(frozen=True, slots=True)
class Migration:
    """One attempt to migrate the schema."""

    job: Manifest
    attempt: int
    ending: Ending
    code: str = ""
    message: str = ""
    schema_after: tuple[str, ...] = ()
    ended_at: datetime | None = None

    @property
    def name(self) -> str:
        """The Job's name."""
        name: str = self.job["metadata"]["name"]
        return name

    @property
    def counts(self) -> bool:
        """Whether it counts as a failed attempt: the database's state was not the cause."""
        transient = self.code in contract.RETRY_REASONS or termination.volume_full(self.message)
        return self.ending is Ending.FAILED and not transient


def migrations_of(snapshot: Snapshot, release: BookStoreRelease) -> tuple[Migration, ...]:
    """Return the migrations of a release, oldest first."""
    jobs = (job for job in _migration_jobs(snapshot) if owned_by(job, release.metadata.uid))
    migrations = (_read(snapshot, job) for job in jobs)
    return tuple(sorted(migrations, key=lambda migration: migration.attempt))


def running_migration(snapshot: Snapshot, but: BookStoreRelease | None = None) -> Manifest | None:
    """Return a running migration Job of another release than `but`; None if there is none."""
    for job in _migration_jobs(snapshot):
        mine = but is not None and owned_by(job, but.metadata.uid)
        if not mine and ending_of(job) is Ending.RUNNING:
            return job
    return None


def _migration_jobs(snapshot: Snapshot) -> list[Manifest]:
    jobs = all_of(snapshot, JOBS)
    return [job for job in jobs if label(job, COMPONENT_LABEL) == Component.MIGRATION.value]


def _read(snapshot: Snapshot, job: Manifest) -> Migration:
    ending = ending_of(job)
    attempt = int(label(job, ATTEMPT_LABEL) or 1)
    if ending is Ending.RUNNING:
        return Migration(job, attempt, ending)
    outcome = contract.read_outcome(result_of(snapshot, job))
    ended = condition(job, "Complete") or condition(job, "Failed") or {}
    why = _why_failed(job, ended) if ending is Ending.FAILED else ""
    at = ended.get("lastTransitionTime")
    return Migration(
        job,
        attempt,
        ending,
        code=outcome.code,
        message=outcome.message or why,
        schema_after=outcome.schema_after,
        ended_at=datetime.fromisoformat(at) if at else None,
    )


def _why_failed(job: Manifest, ended: Manifest) -> str:
    if ended.get("reason") == "DeadlineExceeded":
        seconds = job["spec"].get("activeDeadlineSeconds")
        return (
            f"It did not complete within {seconds} s (spec.migration.timeoutSeconds). "
            "Check that its image can be pulled and its Pod scheduled, or raise the limit."
        )
    return f"{ended.get('reason', 'It failed')}: {ended.get('message', 'no details given')}"
