"""What routes ask for by type: sessions on the database of the running app."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request

from bookstore_api.db.sessions import Database, ReadSession, WriteSession


def _database(request: Request) -> Database:
    database = request.state.database
    assert isinstance(database, Database)  # noqa: S101 - put there by the app's lifespan
    return database


async def _read_session(request: Request) -> AsyncIterator[ReadSession]:
    async with _database(request).read() as session:
        yield session


async def _write_session(request: Request) -> AsyncIterator[WriteSession]:
    async with _database(request).write() as session:
        yield session


# Scope "function": the transaction ends, and has failed if it must, before the answer is sent.
Reading = Annotated[ReadSession, Depends(_read_session, scope="function")]
Writing = Annotated[WriteSession, Depends(_write_session, scope="function")]
