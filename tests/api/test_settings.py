"""Settings, their sources, and database URIs."""

from pathlib import Path

import pytest

from bookstore_api.database_uri import PostgresServer, SqliteFile, parse_database_uri
from bookstore_api.settings import Settings, SettingsError, load_settings

SECRET = "hunter2-canary"


def production(folder: Path, **settings: object) -> Settings:
    return Settings.model_validate(
        {"environment": "production", "secrets_dir": folder, "database_url": None, **settings}
    )


def test_production_refuses_to_start_without_a_database(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        production(tmp_path).database_uri()
    assert "BOOKSTORE_DATABASE_URL" in str(caught.value)
    assert str(tmp_path / "database" / "uri") in str(caught.value)


def test_development_needs_nothing(tmp_path: Path) -> None:
    settings = Settings(secrets_dir=tmp_path)
    assert settings.database_uri() == "sqlite:///bookstore.db"
    assert settings.public_host == settings.private_host == "127.0.0.1"


def test_a_mounted_secret_wins_and_is_read_again(tmp_path: Path) -> None:
    settings = production(tmp_path, database_url="postgresql://variable@host/db")
    assert settings.database_uri() == "postgresql://variable@host/db"
    secret = tmp_path / "database" / "uri"
    secret.parent.mkdir()
    secret.write_text("postgresql://first@host/db\n", encoding="utf-8")
    assert settings.database_uri() == "postgresql://first@host/db"
    secret.write_text("postgresql://second@host/db", encoding="utf-8")
    assert settings.database_uri() == "postgresql://second@host/db"


def test_migrations_prefer_a_uri_that_bypasses_the_pooler(tmp_path: Path) -> None:
    folder = tmp_path / "database"
    folder.mkdir()
    (folder / "uri").write_text("postgresql://pooled@host/db", encoding="utf-8")
    settings = production(tmp_path)
    assert settings.database_uri(direct=True) == "postgresql://pooled@host/db"
    (folder / "direct-uri").write_text("postgresql://direct@host/db", encoding="utf-8")
    assert settings.database_uri(direct=True) == "postgresql://direct@host/db"
    assert settings.database_uri() == "postgresql://pooled@host/db"


def test_an_unreadable_secret_is_an_error_and_not_a_missing_one(tmp_path: Path) -> None:
    (tmp_path / "database" / "uri").mkdir(parents=True)
    with pytest.raises(SettingsError, match="can't be read"):
        production(tmp_path, database_url="postgresql://u@h/d").database_uri()


def test_every_wrong_setting_is_named_and_none_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PORT", "LOG_LEVEL", "DRAIN_SECONDS", "ENVIRONMENT"):
        monkeypatch.setenv(f"BOOKSTORE_{name}", SECRET)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    for name in ("PORT", "LOG_LEVEL", "DRAIN_SECONDS", "ENVIRONMENT"):
        assert f"BOOKSTORE_{name}:" in str(caught.value)
    assert SECRET not in str(caught.value)


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
def test_a_wrong_uri_is_refused_without_being_shown(uri: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_database_uri(uri)
    assert SECRET not in str(caught.value)
