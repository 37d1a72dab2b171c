"""Schedules in cron format."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

ALIASES: Mapping[str, str] = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
}
MOST_LEFT_OUT = 10
"""How many times in a row a change of the clock may leave out."""


def due_after(schedule: str, moment: datetime, time_zone: str = "Etc/UTC") -> datetime | None:
    """Return the first time of a schedule after a time, in UTC; None if there is none.

    A time of day that a change of the clock leaves out is no time of the schedule on that day, as
    for Kubernetes (robfig/cron); one that comes twice counts both times.
    """
    line = ALIASES.get(schedule, schedule).replace("?", "*")
    try:
        zone = ZoneInfo(time_zone)
        times = CronSim(line, moment.astimezone(zone))
        for local in islice(times, MOST_LEFT_OUT):
            if _is_of(line, local):
                return local.astimezone(UTC)
    except (CronSimError, ZoneInfoNotFoundError, ValueError):
        return None  # the API server rejects these; what it may still accept is not known here
    return None


def _is_of(line: str, local: datetime) -> bool:
    """Whether a time on the wall is one of the schedule: not one put off by a change of clocks."""
    wall = local.replace(tzinfo=None, fold=0)
    return next(CronSim(line, wall - timedelta(minutes=1)), None) == wall
