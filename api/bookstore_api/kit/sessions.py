"""What routes ask for by type: the database of the running app, to do a unit of work on."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from bookstore_api.db.sessions import Database, ReadSession, WriteSession

T = TypeVar("T")


class Reader:
    """Does work that only reads; the work may be run several times."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, work: Callable[[ReadSession], Awaitable[T]]) -> T:
        """Do it; raises DatabaseUnavailableError."""
        return await self._database.read(work)


class Writer:
    """Does work in a transaction, which is committed before the answer is sent.

    Where transactions were in each other's way, the work is run again from the beginning.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, work: Callable[[WriteSession], Awaitable[T]]) -> T:
        """Do it; raises DatabaseUnavailableError."""
        return await self._database.write(work)


def _database(request: Request) -> Database:
    database = request.state.database
    assert isinstance(database, Database)  # noqa: S101 - put there by the app's lifespan
    return database


async def _reader(request: Request) -> Reader:
    return Reader(_database(request))


async def _writer(request: Request) -> Writer:
    return Writer(_database(request))


Reading = Annotated[Reader, Depends(_reader)]
Writing = Annotated[Writer, Depends(_writer)]
