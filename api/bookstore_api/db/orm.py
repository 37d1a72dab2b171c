"""What all tables share: names of constraints, and types that are the same on both databases."""

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import JSON, ColumnElement, Date, DateTime, Dialect, MetaData, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator


class Base(DeclarativeBase):
    """The base of every table; constraints get names, so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class _InPythonsYears(FunctionElement[Any]):
    """A stored time as Python can hold it: PostgreSQL has years before 1 and after 9999.

    One row with such a year would fail every list that it is in. It is read as the nearest one.
    """

    inherit_cache = True


@compiles(_InPythonsYears)
def _as_it_is(element: _InPythonsYears, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(_InPythonsYears, "postgresql")
def _nearest(element: _InPythonsYears, compiler: SQLCompiler, **options: Any) -> str:
    stored = compiler.process(element.clauses, **options)
    first, last = ("0001-01-01", "9999-12-31")
    if isinstance(element.type, UtcDateTime):
        first, last = f"{first} 00:00:00+00", f"{last} 23:59:59.999999+00"
    return (
        f"CASE WHEN {stored} < '{first}' THEN '{first}' WHEN {stored} > '{last}' THEN '{last}' "
        f"ELSE {stored} END"
    )


class StoredDate(TypeDecorator[date]):
    """A date."""

    impl = Date()
    cache_ok = True

    def column_expression(self, column: ColumnElement[date]) -> ColumnElement[date]:
        """Read it so."""
        return _in_pythons_years(column, self)


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time: aware and UTC in Python, `timestamptz` or naive UTC in the database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database; a naive time is a mistake (ValueError)."""
        if value is None:
            return None
        if value.tzinfo is None:
            msg = "A time without a zone can't be stored."
            raise ValueError(msg)
        utc = value.astimezone(UTC)
        return utc if dialect.name == "postgresql" else utc.replace(tzinfo=None)

    def column_expression(self, column: ColumnElement[datetime]) -> ColumnElement[datetime]:
        """Read it as Python can hold it."""
        return _in_pythons_years(column, self)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - its signature
        """From the database."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _in_pythons_years(column: ColumnElement[Any], kind: TypeDecorator[Any]) -> ColumnElement[Any]:
    expression = _InPythonsYears(column)
    expression.type = kind
    return expression


def sort_key(length: int) -> String:
    """Text ordered by its bytes in UTF-8 on both databases, whatever their locale."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


def document() -> JSON:
    """Make a column for lists and objects that are read and written whole."""
    return JSON().with_variant(JSONB(), "postgresql")
