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
    assert server.arguments["dsn"] == "postgresql://?sslmode=require"
    assert server.hosts == [("h1", 5432), ("h2", 5433)]
    assert server.session_attributes == "read-write"
    assert [server.arguments[name] for name in ("user", "password", "database")] == [
        "user",
        "pa@ss",
        "db",
    ]


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
        "postgresql://u@h/d?port=abc",
        "postgresql://u@h/d?port=99999",
        "postgresql://u@h:0/d",
        "postgresql://u@h:\u0661/d",
        "postgresql://u@h1,h2,h3:1,h4/d?port=1,2",
        f"postgresql://u:{SECRET}#@h/d",
        f"postgresql://u:p@{SECRET}@h/d",
        f"postgresql://u:{SECRET}%zz@h/d",
        f"postgresql://u:{SECRET}%00@h/d",
        f"postgresql://u:{SECRET}%ff@h/d",
        f"postgresql://u:{SECRET}\n@h/d",
        f"postgresql://u@h/d?password={SECRET}&{SECRET}",
        "postgresql://u@h/d#fragment",
        "postgresql://u@h/d?application_name=a b",
        "postgresql://u@h/d?application_name=%00",
        "postgresql://u@h/d?hostaddr=10.0.0.1",
        "postgresql://u@h/d?oauth_issuer=x",
        "postgresql://u@h/d?ssl=require",
        "postgresql://u@h/d?sslnegotiation=direct",
        "postgresql://u@h/d?ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.2",
        "postgresql://u@h/d?ssl_max_protocol_version=TLSv1.1",
        "postgresql://u@h/d?keepalives_idle=32768",
        "postgresql://u@h/d?keepalives_count=128",
        "postgresql://u@h/d?connect_timeout=1_0",
        "postgresql://u@h/d?connect_timeout=%D9%A3",
        "sqlite:///books.db#a",
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


# As libpq reads them: https://www.postgresql.org/docs/current/libpq-connect.html
ADDRESSES = {
    "postgresql://u@a,b:2/d": [("a", 5432), ("b", 2)],
    "postgresql://u@a,b/d?port=3": [("a", 3), ("b", 3)],
    "postgresql://u@a/d?port=3": [("a", 3)],
    "postgresql://u@[::1]:2,[2001:db8::1]/d": [("::1", 2), ("2001:db8::1", 5432)],
    "postgresql://u@/d?host=::1&port=2": [("::1", 2)],
    "postgresql://u@%2Frun%2Fpg:2/d": [("/run/pg", 2)],
    "postgresql://u@/d?host=/run/pg,b&port=,2": [("/run/pg", 5432), ("b", 2)],
    "postgresql://u@a/d?host=b": [("b", 5432)],
    "postgresql:///d?user=u": [("", 5432)],
    "postgresql://u@": [("", 5432)],
}


@pytest.mark.parametrize("uri", ADDRESSES)
def test_hosts_are_those_of_libpq(uri: str) -> None:
    server = parse_database_uri(uri)
    assert isinstance(server, PostgresServer)
    assert server.hosts == ADDRESSES[uri]


def test_a_query_is_not_that_of_a_form() -> None:
    """In a form `+` is a space. In psql it is part of the password."""
    server = parse_database_uri("postgresql://u@h/d?password=a+b%2Bc%26=&application_name=x%20y")
    assert isinstance(server, PostgresServer)
    assert server.arguments["password"] == "a+b+c&="
    assert server.arguments["server_settings"] == {"application_name": "x y"}
    jdbc = parse_database_uri("postgresql://u:p+q@h?ssl=true")
    assert isinstance(jdbc, PostgresServer)
    assert jdbc.arguments["dsn"] == "postgresql://?sslmode=require"
    assert (jdbc.arguments["password"], jdbc.arguments["database"]) == ("p+q", "u")


def test_a_service_is_read_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "services"
    file.write_text(
        f"# a comment\n[other]\nuser=x\n\n[shop]\nhost=db\nport=2\nuser=u\npassword={SECRET}\n"
        "connect_timeout=3\n[last]\nnonsense=1\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    server = parse_database_uri("postgresql:///books?service=shop&port=7")
    assert isinstance(server, PostgresServer)
    assert server.hosts == [("db", 7)]  # the URI's own parameters win
    assert (server.arguments["user"], server.arguments["password"]) == ("u", SECRET)
    assert (server.arguments["database"], server.arguments["timeout"]) == ("books", 3)
    for service in ("missing", "last"):
        with pytest.raises(ValueError, match="service file") as caught:
            parse_database_uri(f"postgresql://u:{SECRET}@h/d?service={service}")
        assert SECRET not in str(caught.value)
