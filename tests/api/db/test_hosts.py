"""A URI with several hosts, a name with several addresses: one that is silent hides no other."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest
from sqlalchemy import text

from bookstore_api.db.hosts import SUSPECT_SECONDS, Hosts, PatientLoop
from bookstore_api.db.sessions import Database, open_database
from bookstore_api.settings import Settings
from bookstore_api.uris.conninfo import Host
from tests.support.bookstore import StartProcess
from tests.support.postgres import Postgres, query
from tests.support.proxy import running_proxy

T = TypeVar("T")
SILENT, DOWN, PRIMARY, STANDBY = (
    Host(name, 1) for name in ("silent", "down", "primary", "standby")
)


def on(url: str, work: Callable[[Database], Awaitable[T]]) -> T:
    async def run() -> T:
        database = open_database(Settings.model_validate({"database_url": url}))
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())


async def answer(database: Database) -> float:
    """Ask for something on a new connection; how long that took."""
    began = time.monotonic()
    await database.read(lambda session: session.execute(text("SELECT 1")))
    return time.monotonic() - began


def test_a_silent_host_hides_no_other(postgres: Postgres) -> None:
    """The first costs its share of the time once, and is asked last from then on."""
    parts = urlsplit(postgres.url("postgres"))
    assert parts.port is not None

    async def twice(database: Database) -> tuple[float, float]:
        first = await answer(database)
        async with database.health_connection() as connection:
            began = time.monotonic()
            await connection.execute(text("SELECT 1"))
            return first, time.monotonic() - began

    with running_proxy(parts.port) as proxy:
        proxy.stall()
        hosts = f"127.0.0.1:{proxy.port},127.0.0.1:{parts.port}"
        url = f"postgresql://{parts.username}:{parts.password}@{hosts}/postgres?connect_timeout=2"
        first, second = on(url, twice)
    assert first >= 1  # half of the time there is
    assert second < 1


def test_a_process_gets_ready_past_a_silent_host(
    start: StartProcess, migrated_postgres: str
) -> None:
    """A check has less time than a silent host takes: it must learn from the one before."""
    parts = urlsplit(migrated_postgres)
    assert parts.port is not None
    with running_proxy(parts.port) as proxy:
        proxy.stall()
        netloc = parts.netloc.replace("@", f"@127.0.0.1:{proxy.port},")
        start(parts._replace(netloc=netloc).geturl()).wait_until_ready()


def attempt(tried: list[tuple[str, str]]) -> Callable[[Host, str], Awaitable[str]]:
    async def connect(host: Host, wanted: str) -> str:
        tried.append((host.name, wanted))
        if host == SILENT:
            await asyncio.Event().wait()
        if host == DOWN:
            raise ConnectionRefusedError
        if wanted not in {"any", host.name}:
            raise asyncpg.TargetServerAttributeNotMatched
        return host.name

    return connect


@pytest.mark.parametrize(
    ("hosts", "wanted", "expected"),
    [
        ((DOWN, PRIMARY), "any", "primary"),
        ((SILENT, PRIMARY), "any", "primary"),
        ((STANDBY, PRIMARY), "primary", "primary"),
        ((PRIMARY, STANDBY), "prefer-standby", "standby"),
        ((PRIMARY, DOWN), "prefer-standby", "primary"),
        ((DOWN, SILENT, PRIMARY), "standby", None),
    ],
)
def test_the_first_host_that_fits_is_used(
    hosts: tuple[Host, ...], wanted: str, expected: str | None
) -> None:
    connecting = Hosts().connect(hosts, wanted, 0.3, attempt([]))
    if expected is None:
        with pytest.raises(asyncpg.TargetServerAttributeNotMatched):
            asyncio.run(connecting)
    else:
        assert asyncio.run(connecting) == expected


def test_a_silent_host_is_first_again_after_a_while() -> None:
    now = [0.0]
    hosts, tried = Hosts(lambda: now[0]), list[tuple[str, str]]()

    async def connect() -> None:
        await hosts.connect((SILENT, PRIMARY), "any", 0.1, attempt(tried))

    for at in (0.0, SUSPECT_SECONDS - 1, SUSPECT_SECONDS + 1):
        now[0] = at
        asyncio.run(connect())
    assert [name for name, _ in tried] == ["silent", "primary", "primary", "silent", "primary"]


class TwoAddresses(asyncio.SelectorEventLoop):
    """A loop to which every name has two addresses, of which nobody listens at the first."""

    async def getaddrinfo(self, host: Any, port: Any, **_options: Any) -> Any:  # noqa: ARG002 - its signature
        return [
            (family, socket.SOCK_STREAM, 0, "", (address, port))
            for family, address in ((socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1"))
        ]


def test_the_next_address_of_a_name_is_tried() -> None:
    async def first_bytes(port: int) -> bytes:
        loop = PatientLoop(asyncio.get_running_loop(), 2.0)
        received: asyncio.Future[bytes] = loop.create_future()

        class Reader(asyncio.Protocol):
            def data_received(self, data: bytes) -> None:
                received.set_result(data)

        transport, _ = await loop.create_connection(Reader, "books.example", port)
        assert transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        try:
            return await received
        finally:
            transport.close()

    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        asyncio.Runner(loop_factory=TwoAddresses) as runner,
    ):
        accepted = runner.get_loop().run_in_executor(None, lambda: listener.accept()[0])
        accepted.add_done_callback(lambda done: done.result().sendall(b"hello"))
        assert runner.run(first_bytes(listener.getsockname()[1])) == b"hello"
        accepted.result().close()


def test_a_name_that_nobody_knows_is_told(postgres: Postgres) -> None:
    parts = urlsplit(postgres.url("postgres"))
    url = parts._replace(netloc=f"{parts.username}:x@no-such-host.invalid").geturl()
    with pytest.raises(Exception, match="unreachable") as caught:
        on(url, answer)
    assert "DNS" in caught.value.failure.message  # type: ignore[attr-defined]  # it has one


def test_what_the_server_rejects_at_the_start_is_no_error_of_ours(
    postgres: Postgres, empty_postgres: str
) -> None:
    """A parameter that the server does not know, and a user who may not connect."""
    name = urlsplit(empty_postgres).path.lstrip("/")
    postgres.execute(f'REVOKE CONNECT ON DATABASE "{name}" FROM PUBLIC')
    role = f"nobody_{name}"
    postgres.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'hunter2-canary'")
    parts = urlsplit(empty_postgres)
    other = parts._replace(netloc=f"{role}:hunter2-canary@127.0.0.1:{parts.port}").geturl()
    try:
        for url, words in (
            (f"{empty_postgres}?options=-c%20nonsense=1", "`options`"),
            (f"{empty_postgres}?options=-cnonsense", "`options`"),
            (other, "GRANT CONNECT"),
        ):
            with pytest.raises(Exception, match=r"unreachable|authentication") as caught:
                on(url, answer)
            assert words in caught.value.failure.message  # type: ignore[attr-defined]  # it has one
    finally:
        query(postgres.url("postgres"), f"DROP ROLE {role}")
