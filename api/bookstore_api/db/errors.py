"""Explain why the database could not be used, without the text of any statement."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import asyncpg  # type: ignore[import-untyped]  # it ships no types
from sqlalchemy import UniqueConstraint
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

REJECTED_SQLSTATES = frozenset({"28000", "28P01"})
UNREACHABLE_SQLSTATES = frozenset({"57P01", "57P02", "57P03", "53300"})


class DatabaseUnavailableError(Exception):
    """The database could not be reached or has no connection to spare: worth another try."""


@dataclass(frozen=True)
class Failure:
    """Why the database could not be used, without a word of what was sent to it."""

    code: Literal["unreachable", "authentication-failed", "failed"]
    message: str


def explain(error: BaseException) -> Failure:
    """Tell an absent server, rejected credentials and all other failures apart."""
    causes = list(_causes(error))
    states = {
        state for cause in causes if isinstance(state := getattr(cause, "sqlstate", None), str)
    }
    if states & REJECTED_SQLSTATES:
        return Failure(
            "authentication-failed",
            "The database rejected the user or the password: check the secret with its URI.",
        )
    if states & UNREACHABLE_SQLSTATES or any(map(_is_connection_loss, causes)):
        return Failure(
            "unreachable",
            "The database does not answer: check that it runs, and the host and port of its URI.",
        )
    if "3D000" in states:
        return Failure(
            "failed", "The server has no database of the name in the URI: create it first."
        )
    return Failure("failed", f"The database answered with an error: {_summary(causes)}.")


def violates(error: IntegrityError, constraint: UniqueConstraint) -> bool:
    """Whether the database rejected a write for this constraint.

    PostgreSQL gives the constraint's name, SQLite no more than its columns.
    """
    for cause in _causes(error):
        if isinstance(cause, asyncpg.UniqueViolationError):
            return bool(cause.constraint_name == constraint.name)
        if isinstance(cause, sqlite3.IntegrityError):
            columns = ", ".join(f"{column.table}.{column.name}" for column in constraint.columns)
            return str(cause) == f"UNIQUE constraint failed: {columns}"
    return False


@contextmanager
def raising_unavailable() -> Iterator[None]:
    """Tell the database's absence from internal errors."""
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        failure = explain(error)
        if failure.code == "failed":
            raise
        raise DatabaseUnavailableError(failure.code) from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    queue: list[BaseException | None] = [error]
    while queue:
        cause = queue.pop()
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        original = cause.orig if isinstance(cause, DBAPIError) else None
        queue += [cause.__cause__, cause.__context__, original]


def _is_connection_loss(error: BaseException) -> bool:
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if isinstance(error, asyncpg.ConnectionDoesNotExistError | PoolTimeoutError):
        return True
    if isinstance(error, sqlite3.OperationalError):
        return "unable to open" in str(error) or "locked" in str(error)
    return isinstance(error, OSError)  # refused, reset, unknown host, TLS; TimeoutError is one


def _summary(causes: list[BaseException]) -> str:
    """Return the first line of the innermost error: servers put values into the lines after it."""
    for cause in causes:
        if isinstance(cause, asyncpg.PostgresError | sqlite3.Error):
            return str(cause).partition("\n")[0].rstrip(".")
    return type(causes[0]).__name__
