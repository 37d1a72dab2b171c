"""URIs of databases: what libpq understands is understood, and nothing is shown."""

from pathlib import Path

import pytest

from bookstore_api.settings import Settings
from bookstore_api.uris.database import Keepalive, PostgresServer, SqliteFile, parse_database_uri

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
    assert server.arguments["timeout"] == 5


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
        "postgresql://u@h/d?sslmode=requre",
        "postgresql://u@h/d?target_session_attrs=primry",
        "postgresql://u@h/d?keepalives_idle=soon",
        "postgresql://u@h/d?tcp_user_timeout=-1",
        "postgresql://u@h/d?channel_binding=require",
        "postgresql://u@h/d?require_auth=scram-sha-256",
        "postgresql://u@h/d?load_balance_hosts=random",
        "postgresql://u@h/d?sslmode=require&sslrootcert=system",
    ],
)
def test_a_wrong_uri_is_rejected_without_being_shown(uri: str) -> None:
    with pytest.raises(ValueError, match=r"URI|SQLite|PostgreSQL") as caught:
        parse_database_uri(uri)
    assert SECRET not in str(caught.value)


def test_what_the_driver_lacks_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"channel_binding.*leave it out") as caught:
        parse_database_uri(f"postgresql://u@h/d?channel_binding={SECRET}")
    assert SECRET not in str(caught.value)


def test_no_parameter_is_ignored() -> None:
    server = parse_database_uri(
        "postgresql://u@h/d?keepalives=0&keepalives_idle=7&keepalives_interval=8"
        "&keepalives_count=9&tcp_user_timeout=2500&fallback_application_name=shop"
        "&sslrootcert=system"
    )
    assert isinstance(server, PostgresServer)
    assert server.keepalive == Keepalive(False, 7, 8, 9, 2.5)
    assert server.arguments["server_settings"] == {"application_name": "shop"}
    assert server.system_ca
    files = parse_database_uri("postgresql://u@h/d?sslrootcert=/ca.crt&sslcert=/c&sslkey=/k")
    assert isinstance(files, PostgresServer)
    assert set(files.tls_files) == {"sslrootcert", "sslcert", "sslkey"}
