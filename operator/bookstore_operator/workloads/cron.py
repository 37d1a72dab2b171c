"""Schedules in cron format."""

from collections.abc import Mapping
from datetime import datetime

from cronsim import CronSim, CronSimError

ALIASES: Mapping[str, str] = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
}


def due_after(schedule: str, moment: datetime) -> datetime | None:
    """Return the first time of a schedule after a time in UTC; None if there is none."""
    line = ALIASES.get(schedule, schedule).replace("?", "*")
    try:
        return next(CronSim(line, moment), None)
    except CronSimError:
        return None  # the API server rejects invalid schedules; this one it may still accept
