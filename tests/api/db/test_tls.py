"""Certificates, with a server that speaks TLS: what is trusted, and what is said of the rest."""

import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from sqlalchemy import text

from bookstore_api.db.errors import DatabaseUnavailableError
from bookstore_api.db.sessions import open_database
from bookstore_api.settings import Settings
from tests.support.certificates import Authority
from tests.support.tls_front import TlsFront, running_tls_front

TRUSTED = "trusted"


@pytest.fixture
def authorities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Authority]:
    """One that is trusted, and another."""
    monkeypatch.setenv("HOME", str(tmp_path))  # no certificates of the user
    return {name: Authority(tmp_path, name) for name in (TRUSTED, "other")}


def outcome(url: str, front: TlsFront, host: str = "127.0.0.1", **parameters: object) -> str:
    """Connect with parameters of the URI: `ok`, or the code and message of the failure."""
    parts = urlsplit(url)
    url = parts._replace(
        netloc=f"{parts.username}:{parts.password}@{host}:{front.port}",
        query=urlencode({name: str(value) for name, value in parameters.items()}),
    ).geturl()

    async def connect() -> str:
        database = open_database(Settings.model_validate({"database_url": url}))
        try:
            await database.read(lambda session: session.execute(text("SELECT 1")))
        except DatabaseUnavailableError as error:
            return f"{error.failure.code}: {error.failure.message}"
        finally:
            await database.close()
        return "ok"

    return asyncio.run(connect())


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def test_a_server_is_who_its_certificate_says(
    empty_postgres: str, authorities: Mapping[str, Authority]
) -> None:
    trusted, other = authorities[TRUSTED], authorities["other"]
    root: dict[str, Any] = {"sslrootcert": trusted.file}
    verify_ca, verify_full = root | {"sslmode": "verify-ca"}, root | {"sslmode": "verify-full"}
    start = partial(running_tls_front, port_of(empty_postgres))
    try_ = partial(outcome, empty_postgres)
    with start(trusted.issue("localhost", "127.0.0.1")) as front:
        loose: list[dict[str, Any]] = [{}, {"sslmode": "require"}]
        for parameters in (*loose, verify_ca, verify_full):
            assert try_(front, **parameters) == "ok"
        assert try_(front, "localhost", **verify_full) == "ok"
        for mode in ("require", "verify-ca", "verify-full"):  # libpq's require verifies too, then
            wrong = try_(front, sslmode=mode, sslrootcert=other.file)
            assert "not trusted" in wrong
            assert "sslrootcert" in wrong
        assert "not trusted" in try_(front, "localhost", sslrootcert="system")
    with start(trusted.issue("elsewhere.example")) as front:
        assert try_(front, **verify_ca) == "ok"
        for host in ("127.0.0.1", "localhost"):
            assert "for another host" in try_(front, host, **verify_full)
    with start(trusted.issue("127.0.0.1", expired=True)) as front:
        assert try_(front, sslmode="require") == "ok"
        for parameters in (verify_ca, verify_full):
            assert "has expired" in try_(front, **parameters)


def test_a_server_may_want_a_certificate_from_us(
    empty_postgres: str, authorities: Mapping[str, Authority]
) -> None:
    trusted, other = authorities[TRUSTED], authorities["other"]
    own, certificate = trusted.issue("client.example"), trusted.issue("127.0.0.1")
    port = port_of(empty_postgres)
    with running_tls_front(port, certificate, client_authority=trusted.file) as front:

        def present(file: Path, key: Path) -> str:
            return outcome(empty_postgres, front, sslmode="require", sslcert=file, sslkey=key)

        assert present(own.file, own.key) == "ok"
        for wrong in (other.issue("client.example"), trusted.issue("client.example", expired=True)):
            shown = present(wrong.file, wrong.key)
            assert shown.startswith("authentication-failed: The server does not trust"), shown
        none = outcome(empty_postgres, front, sslmode="require")
        assert none.startswith("authentication-failed: The server"), none
        assert "sslcert" in none


def test_files_that_are_something_else_are_named(
    empty_postgres: str, authorities: Mapping[str, Authority], tmp_path: Path
) -> None:
    trusted = authorities[TRUSTED]
    own, another = trusted.issue("client.example"), trusted.issue("client.example")
    empty = tmp_path / "empty"
    empty.touch()
    wrong: list[dict[str, Path]] = [
        {"sslrootcert": empty},
        {"sslrootcert": own.key},
        {"sslrootcert": tmp_path},
        {"sslrootcert": tmp_path / "nowhere"},
        {"sslcert": own.file, "sslkey": another.key},
        {"sslcert": own.key, "sslkey": own.key},
        {"sslcert": tmp_path / "nowhere", "sslkey": own.key},
        {"sslcert": own.file, "sslkey": empty},
    ]
    with running_tls_front(port_of(empty_postgres), trusted.issue("127.0.0.1")) as front:
        for files in wrong:
            given: dict[str, Any] = {"sslmode": "verify-ca", "sslrootcert": trusted.file} | files
            shown = outcome(empty_postgres, front, **given)
            assert next(iter(files)) in shown, (files, shown)
            assert "handshake" not in shown
