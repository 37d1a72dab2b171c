"""When a failed migration is tried again."""

from datetime import UTC, datetime, timedelta

import pytest

from bookstore_operator.crd.release import MigrationAttempt
from bookstore_operator.releases.attempts import retry_delay

pytestmark = pytest.mark.scenario

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 10), (2, 20), (3, 40), (5, 160), (6, 300), (60, 300)]
)
def test_the_delay_before_a_retry_doubles_up_to_five_minutes(attempt: int, seconds: int) -> None:
    last = MigrationAttempt(number=attempt, started_at=NOW)
    assert retry_delay(last) == timedelta(seconds=seconds)
