"""Every reason is explained in the reference, is used by the code, and nothing else is there."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

import bookstore_operator
from bookstore_operator.core.reasons import WARNING_REASONS, Reason
from bookstore_operator.crd.release import Result
from bookstore_operator.crd.stages import STAGES
from bookstore_operator.workloads.thresholds import RESTARTS, THRESHOLDS
from tests.support.cases.failures import FAILURES

pytestmark = pytest.mark.scenario

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "reference" / "failures.md").read_text()
THRESHOLD_ROWS = re.compile(r"^\| `(\w+)` \| (\d+) s\b.*$", re.MULTILINE)
ROWS = re.findall(r"^\| `(\w+)` \|(.*)$", THRESHOLD_ROWS.sub("", PAGE), re.MULTILINE)
ORDINALS = {2: "second", 3: "third", 4: "fourth"}


def source() -> str:
    """The code but for the list of reasons itself."""
    package = Path(bookstore_operator.__file__).parent
    files = (path for path in package.rglob("*.py") if path.name != "reasons.py")
    return "\n".join(path.read_text() for path in files)


def test_every_reason_is_explained_once_and_no_other() -> None:
    assert sorted(name for name, _ in ROWS) == sorted(reason.value for reason in Reason)


def test_every_reason_is_used() -> None:
    used = set(re.findall(r"\bReason\.([A-Z_]+)\b", source()))
    # What a record says that this operator has no word for is read in reasons.py itself.
    assert {reason.name for reason in Reason} - used == {"RELEASE_FAILED"}


def test_every_problem_has_all_its_columns_filled() -> None:
    for name, row in ROWS:
        if name in WARNING_REASONS:
            cells = [cell.strip() for cell in row.strip().strip("|").split("|")]
            assert len(cells) == 4, name
            assert all(cells), name


def test_every_problem_has_a_scenario() -> None:
    """Others end a release for good, or are about backups, volumes and hands: other tests."""
    elsewhere = {
        Reason.PROGRESS_DEADLINE_EXCEEDED,
        Reason.MIGRATION_FAILED,
        Reason.CHECK_RETRY,
        Reason.BACKUP_IMAGE_MISSING,
        Reason.CONTRACT_NOT_KEPT,
        Reason.SMOKE_TEST_FAILED,
        Reason.METRICS_UNREADABLE,
        Reason.LIMITS_EXCEEDED,
        Reason.WATCH_INCONCLUSIVE,
        Reason.SCHEMA_INCOMPATIBLE,
        Reason.CONNECTION_BUDGET_EXCEEDED,
        Reason.IMAGE_CHANGED,
        Reason.ABORTED,
        Reason.ROLLED_BACK,
        Reason.ROLLBACK_REFUSED,
        Reason.RELEASE_FAILED,
        Reason.NO_POD_AVAILABLE,
        Reason.BACKUP_FAILED,
        Reason.BACKUP_SUSPENDED,
        Reason.RESTORE_MISSING,
        Reason.RESTORE_FAILED,
        Reason.BACKUP_DAMAGED,
        Reason.BACKUP_STALE,
        Reason.VERIFY_FAILED,
        Reason.DRILL_FAILED,
        Reason.DRILL_OVERDUE,
        Reason.FINAL_BACKUP_FAILED,
        Reason.CONTRACT_FAILED,
        Reason.VOLUME_MISMATCH,
        Reason.SPEC_INVALID,
        Reason.DATABASE_REPLACED,
        Reason.MIGRATION_SUSPENDED,
        Reason.POD_TERMINATING,
        Reason.OBJECT_TERMINATING,
        Reason.HOST_CONFLICT,
        Reason.NO_ADDRESS,
        Reason.SIGNING_KEY_NOT_LOADED,
    }
    assert {failure.reason for failure in FAILURES.values()} >= WARNING_REASONS - elsewhere


def test_the_thresholds_are_those_of_the_reference() -> None:
    rows = THRESHOLD_ROWS.findall(PAGE)
    documented = {Reason(name): timedelta(seconds=int(seconds)) for name, seconds in rows}
    assert documented == THRESHOLDS
    assert f"with the {ORDINALS[RESTARTS]} restart" in PAGE
    assert THRESHOLDS.keys() <= WARNING_REASONS


def test_events_of_releases_are_explained() -> None:
    reasons = [f"Stage{stage.name}" for stage in STAGES] + [f"Release{result}" for result in Result]
    assert [name for name in reasons if f"`{name}`" not in PAGE] == []


def test_a_reason_of_another_version_is_parsed() -> None:
    assert Reason.of_record("MigrationFailed") is Reason.MIGRATION_FAILED
    assert Reason.of_record("SomethingNew") is Reason.RELEASE_FAILED
