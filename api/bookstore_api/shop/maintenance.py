"""What is due in the shop's database from time to time, in short transactions."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from bookstore_api.db.sessions import Database, WriteSession
from bookstore_api.shop.domains import DOMAINS

T = TypeVar("T")


@dataclass
class Report:
    """How much was done in each domain, and whether nothing is left."""

    counts: Counter[str] = field(default_factory=Counter)
    complete: bool = True


async def run(database: Database, *, until: Callable[[], bool] = lambda: False) -> Report:
    """Do all that is due, until a time; any number of processes may do so at once.

    Raises DatabaseUnavailableError.
    """
    report, now = Report(), datetime.now(UTC)
    for domain in DOMAINS:
        if domain.purge is not None:
            await database.write(partial(_at, domain.purge, now))
        if domain.maintain is None:
            continue
        report.counts[domain.name] += 0
        while count := await database.write(partial(_at, domain.maintain, now)):
            report.counts[domain.name] += count
            if until():
                report.complete = False
                return report
    return report


async def _at(
    work: Callable[[WriteSession, datetime], Awaitable[T]], now: datetime, session: WriteSession
) -> T:
    return await work(session, now)
