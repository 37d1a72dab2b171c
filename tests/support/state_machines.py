"""State machines of hypothesis that work on a database."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from hypothesis.stateful import RuleBasedStateMachine

from bookstore_api.db.sessions import Database

Machine = TypeVar("Machine", bound=RuleBasedStateMachine)


@contextmanager
def on_database(machine: type[Machine], url: str) -> Iterator[type[Machine]]:
    """Yield the machine on a database, which its examples share, with a loop to use it in."""
    loop = asyncio.new_event_loop()
    database = Database(lambda: url, pool_size=5)
    try:
        yield type("OnDatabase", (machine,), {"database": database, "loop": loop})
    finally:
        loop.run_until_complete(database.close())
        loop.close()
