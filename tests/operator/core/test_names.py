"""The names of a release's Jobs fit, differ, and can be read back."""

import pytest

from bookstore_operator.core import names
from bookstore_operator.crd.attempts import Branch

pytestmark = pytest.mark.scenario

STORE = "a-bookstore-with-a-name-of-40-characters"
RELEASES = [
    names.release(STORE, revision, attempt)
    for revision in (1, 1000, 10**7)
    for attempt in (1, 10, 100)
]


@pytest.mark.parametrize("release", ["demo-r2", *RELEASES])
@pytest.mark.parametrize("branch", Branch)
def test_a_migration_job_says_its_branch_and_its_attempt(release: str, branch: Branch) -> None:
    for attempt in (1, 2, 1000, 10**6):
        job = names.migration_job(release, attempt, branch)
        assert len(job) <= names.LONGEST
        assert names.migration_attempt(release, job) == (branch, attempt)


def test_jobs_of_long_names_differ() -> None:
    jobs = [
        job
        for release in RELEASES
        for attempt in (1, 2, 1000)
        for job in (
            *(names.migration_job(release, attempt, branch) for branch in Branch),
            names.check_job(release, "compatible", attempt),
            names.release_backup(release, attempt),
        )
    ]
    assert len(set(jobs)) == len(jobs)
    assert max(map(len, jobs)) <= names.LONGEST


@pytest.mark.parametrize("job", ["demo-r3-expand-2", "somebody-expand-x", "demo-r2", ""])
def test_the_name_of_another_job_is_a_first_attempt(job: str) -> None:
    assert names.migration_attempt("demo-r2", job) == (Branch.EXPAND, 1)
