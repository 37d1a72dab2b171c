"""URIs of databases: what libpq understands is understood, and nothing is shown."""

from pathlib import Path

import pytest

from bookstore_api.settings import Settings
from bookstore_api.uris.database import PostgresServer, SqliteFile, parse_database_uri

SECRET = "hunter2-canary"


def test_a_password_shows_in_no_repr() -> None:
    uri = f"postgresql://user:{SECRET}@host/db"
    assert SECRET not in repr(Settings.model_validate({"database_url": uri}))
    assert SECRET not in repr(parse_database_uri(uri))


def test_libpq_parameters_are_understood() -> None:
    server = parse_database_uri(
        "postgresql://user:pa%40ss@h1:5432,h2:5433/db?sslmode=require&connect_timeout=3"
        "&application_name=shop&keepalives=1&channel_binding=prefer&target_session_attrs=read-write"
    )
    assert isinstance(server, PostgresServer)
    assert server.arguments["timeout"] == 3
    assert server.arguments["server_settings"] == {"application_name": "shop"}
    assert server.arguments["dsn"] == (
        "postgresql://user:pa%40ss@h1:5432,h2:5433/db"
        "?sslmode=require&target_session_attrs=read-write"
    )


@pytest.mark.parametrize("timeout", ["", "0", "600"])
def test_connecting_is_always_bounded(timeout: str) -> None:
    server = parse_database_uri(f"postgres://user@host/db?connect_timeout={timeout}")
    assert isinstance(server, PostgresServer)
    assert server.arguments["timeout"] == 10


def test_sqlite_is_a_file() -> None:
    assert parse_database_uri("sqlite:///a/b.db") == SqliteFile(Path("a/b.db"))
    assert parse_database_uri("sqlite:////a/b.db") == SqliteFile(Path("/a/b.db"))


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "mysql://u@h/d",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite://host/file",
        f"postgresql://h/d?user=&password={SECRET}",
        f"postgresql://u:{SECRET}@h:{SECRET}/d",
        f"postgresql://u:{SECRET}@h/d?connect_timeout=x",
        f"postgresql://u:{SECRET}@h/d?nonsense=1",
        f"postgresql://u:{SECRET}[@h/d",
    ],
)
def test_a_wrong_uri_is_rejected_without_being_shown(uri: str) -> None:
    with pytest.raises(ValueError, match=r"URI|SQLite|PostgreSQL") as caught:
        parse_database_uri(uri)
    assert SECRET not in str(caught.value)
