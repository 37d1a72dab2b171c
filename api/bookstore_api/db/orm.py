"""What all tables share: names of constraints, and types that are the same on both databases."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    Dialect,
    MetaData,
    String,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from bookstore_api.db.stored import read_date, read_json, read_text, read_time

T = TypeVar("T")


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


class _Lenient(TypeDecorator[T]):
    """A type of column that SQLite may have anything in."""

    def read(self, value: Any) -> Any:
        """Read what SQLite has; here as it is."""
        return value

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """Return what reads a value."""
        if dialect.name != "sqlite":
            return super().result_processor(dialect, coltype)
        return self.read


class StoredText(_Lenient[str]):
    """A text."""

    impl = String()
    cache_ok = True

    def read(self, value: Any) -> Any:
        """Read what SQLite has."""
        return read_text(value)


class StoredInteger(_Lenient[int]):
    """A whole number of 64 bits; what SQLite has instead is read as it is."""

    impl = BigInteger()
    cache_ok = True


class Document(_Lenient[Any]):
    """A list or an object that is read and written whole."""

    impl = JSON()
    cache_ok = True

    def read(self, value: Any) -> Any:
        """Read what SQLite has."""
        return read_json(value)

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return what the database has for it."""
        return dialect.type_descriptor(JSONB() if dialect.name == "postgresql" else JSON())

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:  # noqa: ARG002 - its signature
        """Return what reads a value, on any database."""
        return read_json


class StoredDate(_Lenient[date]):
    """A date."""

    impl = Date()
    cache_ok = True

    def read(self, value: Any) -> Any:
        """Read what SQLite has."""
        return read_date(value)

    def column_expression(self, column: ColumnElement[date]) -> ColumnElement[date]:
        """Read it so."""
        return _in_pythons_years(column, self)


class UtcDateTime(_Lenient[datetime]):
    """A point in time: aware and UTC in Python, `timestamptz` or naive UTC in the database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def read(self, value: Any) -> Any:
        """Read what SQLite has."""
        return read_time(value)

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
        """From PostgreSQL."""
        return None if value is None else value.astimezone(UTC)


def _in_pythons_years(column: ColumnElement[Any], kind: TypeDecorator[Any]) -> ColumnElement[Any]:
    expression = _InPythonsYears(column)
    expression.type = kind
    return expression


def sort_key(length: int) -> String:
    """Text ordered by its bytes in UTF-8 on both databases, whatever their locale."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


class is_uuid(FunctionElement[bool]):  # noqa: N801 - a function of SQL
    """Whether a column of ids has one: SQLite may have anything, which no path leads to."""

    type = Boolean()
    inherit_cache = True


@compiles(is_uuid)
def _always(_element: is_uuid, _compiler: SQLCompiler, **_options: Any) -> str:
    return "true"


@compiles(is_uuid, "sqlite")
def _as_it_is_written(element: is_uuid, compiler: SQLCompiler, **options: Any) -> str:
    stored = compiler.process(element.clauses, **options)
    return (
        f"(typeof({stored}) = 'text' AND length({stored}) = 32 AND {stored} NOT GLOB '*[^0-9a-f]*')"
    )
