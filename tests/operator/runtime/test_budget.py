"""Two managers of one object settle into rare writes; a mistake by hand is repaired at once."""

from datetime import UTC, datetime, timedelta

import pytest

from bookstore_operator.runtime.budget import CREATIONS, UPDATES, Limits, WriteBudget

pytestmark = pytest.mark.scenario

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def writes_within(minutes: float, limits: Limits, names: tuple[str, ...]) -> list[datetime]:
    """Let operators set one object to their own content as soon as each may; return the times."""
    budgets = {name: WriteBudget() for name in names}
    now, content, times = BEGIN, "", []
    while now < BEGIN + timedelta(minutes=minutes):
        for name, budget in budgets.items():
            if content != name and budget.not_before("db", name, now) <= now:
                budget.spend("db", name, now, limits)
                content = name
                times.append(now)
        now += timedelta(milliseconds=200)
    return times


def test_two_operators_settle_into_rare_writes() -> None:
    times = writes_within(60, UPDATES, ("a", "b"))
    first_minute = [time for time in times if time < BEGIN + timedelta(minutes=1)]
    last = [time for time in times if time > BEGIN + timedelta(minutes=40)]
    assert len(first_minute) < 25
    assert len(last) <= 2 * 5


def test_a_deleted_object_is_never_absent_for_long() -> None:
    budget, now, gaps = WriteBudget(), BEGIN, []
    for _ in range(30):
        due = budget.not_before("service", "x", now)
        gaps.append(due - now)
        budget.spend("service", "x", due, CREATIONS)
        now = due
    assert gaps[: CREATIONS.free] == [timedelta()] * CREATIONS.free
    assert max(gaps) == CREATIONS.longest == timedelta(seconds=15)


def test_a_change_of_the_own_content_is_never_delayed() -> None:
    budget = WriteBudget()
    for number in range(100):
        assert budget.not_before("service", number % 2, BEGIN) == BEGIN
        budget.spend("service", number % 2, BEGIN, UPDATES)
        assert not budget.is_contested("service", BEGIN)


def test_a_contest_is_over_after_a_calm() -> None:
    budget = WriteBudget()
    for _ in range(UPDATES.free):
        budget.spend("db", "a", BEGIN, UPDATES)
    assert budget.is_contested("db", BEGIN)
    calm_at = budget.calm_at("db")
    assert calm_at is not None
    assert budget.is_contested("db", calm_at - timedelta(seconds=1))
    assert not budget.is_contested("db", calm_at)
    later = BEGIN + UPDATES.forget + timedelta(seconds=1)
    assert budget.not_before("db", "a", later) == later
    budget.prune(later)
    assert budget.calm_at("db") is None


@pytest.mark.parametrize("back", [timedelta(minutes=5), timedelta(days=365)])
def test_a_clock_that_is_set_back_delays_no_write(back: timedelta) -> None:
    budget = WriteBudget()
    for _ in range(UPDATES.free + 3):
        budget.spend("service", "x", BEGIN, UPDATES)
    earlier = BEGIN - back
    assert budget.not_before("service", "x", earlier) == earlier
    assert not budget.is_contested("service", earlier)
