"""asyncpg for SQLAlchemy, so that no connection keeps anybody waiting and poolers work.

A pooler in transaction mode (PgBouncer) gives each transaction any of its server connections. So
what a connection asks for is asked within a transaction, limits are those of a transaction, and
prepared statements have no names there: another server connection would not know them. Whether
there is a pooler is asked with the first BEGIN, and so costs no round trip.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast
from weakref import WeakSet

import asyncpg  # type: ignore[import-untyped]  # it ships no types
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.util import await_only

from bookstore_api.db.hosts import Hosts, PatientLoop
from bookstore_api.db.limits import CLOSE_SECONDS, Limits
from bookstore_api.db.startup import explain_startup
from bookstore_api.settings import SettingsError
from bookstore_api.uris.conninfo import Host
from bookstore_api.uris.database import Keepalive, PostgresServer

NAME = "postgresql+bounded"
STATEMENTS_CACHED = 100


class Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg ships no types
    """A connection whose transactions have limits; made by subclasses of `_connection_class`."""

    begin = ""
    keepalive = Keepalive()
    adapter: Any = None
    """SQLAlchemy's side of it, until it is known whether that may name its statements."""
    _pooled: bool | None = None

    def __init__(self, protocol: Any, transport: Any, *arguments: Any) -> None:
        super().__init__(protocol, transport, *arguments)
        _keep_alive(transport.get_extra_info("socket"), self.keepalive)

    async def execute(self, query: str, *arguments: Any, **options: Any) -> str:
        """Run a query; a BEGIN with the limits, in the same round trip."""
        if not query.startswith("BEGIN") or arguments:
            return cast("str", await super().execute(query, *arguments, **options))
        query += self.begin
        if self._pooled is None:
            query += self._question
        status = cast("str", await super().execute(query, **options))
        if self._pooled is None:
            self._note(status)
        return status

    async def is_pooled(self) -> bool:
        """Whether a pooler is between the server and us; asks only what is not known yet."""
        if self._pooled is None:
            self._note(await super().execute(self._question))
        return bool(self._pooled)

    @property
    def _question(self) -> str:
        """Ask whether another process answers than the one that the session began with.

        The answer is in what the server says of the last statement: how many rows it has.
        """
        return f"SELECT 1 WHERE pg_backend_pid() <> {self.get_server_pid()};"

    def _note(self, status: str) -> None:
        self._pooled = status != "SELECT 0"
        if self._pooled:
            self.adapter._prepared_statement_cache = None
            self.adapter._prepared_statement_name_func = str
        self.adapter = None

    async def part(self) -> None:
        """Close it, politely where the server answers at once."""
        with suppress(TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.close()


class Dialect(PGDialect_asyncpg):
    """SQLAlchemy's dialect, with a limit on every close."""

    supports_statement_cache = True

    def do_close(self, dbapi_connection: Any) -> None:
        """Close a connection that was in order when it was used last."""
        await_only(dbapi_connection.driver_connection.part())

    def do_terminate(self, dbapi_connection: Any) -> None:
        """Cut a connection that nobody can wait for. The server notices, or ends the statement."""
        dbapi_connection.driver_connection.terminate()


registry.register(NAME.replace("+", "."), __name__, "Dialect")


def connect(
    dialect: Any, server: PostgresServer, limits: Limits, opened: WeakSet[Any], hosts: Hosts
) -> Any:
    """Connect, as SQLAlchemy's event `do_connect` does it; raises what the driver raises.

    The connection is added to `opened`. Raises SettingsError for a certificate that can't be read,
    and for what the server finds wrong with the URI.
    """
    arguments = server.arguments | {
        "connection_class": _connection_class(limits, server.keepalive),
        "statement_cache_size": 0,  # SQLAlchemy has its own
    }
    _check_tls_files(server)
    if server.system_ca:
        arguments["ssl"] = ssl.create_default_context()
    seconds = server.arguments["timeout"]
    each = seconds / len(server.hosts)

    async def open_at(host: Host, attributes: str) -> Connection:
        connection: Connection = await asyncpg.connect(
            **arguments,
            host=[host.name] if host.name else None,
            port=host.port,
            target_session_attrs=attributes,
            loop=PatientLoop(asyncio.get_running_loop(), each),
        )
        opened.add(connection)
        return connection

    async def create() -> Connection:
        with _told_as_settings():
            return await hosts.connect(server.hosts, server.session_attributes, seconds, open_at)

    adapter = dialect.loaded_dbapi.connect(
        async_creator_fn=create, prepared_statement_cache_size=STATEMENTS_CACHED
    )
    adapter.driver_connection.adapter = adapter
    return adapter


@contextmanager
def _told_as_settings() -> Iterator[None]:
    """Raise SettingsError for what is wrong with the URI, or with a variable of libpq."""
    try:
        yield
    except asyncpg.PostgresError as error:
        if wrong := explain_startup(error):
            raise SettingsError(wrong) from error
        raise
    except ValueError as error:
        # Both have an explanation of their own; a certificate that does not verify is an OSError.
        if isinstance(error, OSError | asyncpg.exceptions.ClientConfigurationError):
            raise
        msg = (
            "A variable of libpq, such as PGSSLMODE, has a value that the driver can't use: unset "
            "it."
        )
        raise SettingsError(msg) from error


def _check_tls_files(server: PostgresServer) -> None:
    """Raise SettingsError for a file that is missing, or is not what the URI says it is."""
    for parameter, path in server.tls_files.items():
        if not (path.is_file() and os.access(path, os.R_OK)):
            msg = f"The file that {parameter} of the database URI names can't be read: mount it."
            raise SettingsError(msg)


def _connection_class(limits: Limits, keepalive: Keepalive) -> type[Connection]:
    """Return a class of connections: asyncpg makes them, and has no place for arguments of ours."""
    return type("Connection", (Connection,), {"begin": limits.sql, "keepalive": keepalive})


def _keep_alive(transport_socket: Any, keepalive: Keepalive) -> None:
    """Have the kernel notice a peer that vanished: asyncpg leaves that to two hours of silence."""
    if transport_socket is None or transport_socket.family == socket.AF_UNIX:
        return
    options = [(socket.SOL_SOCKET, "SO_KEEPALIVE", int(keepalive.enabled))]
    if keepalive.enabled:
        options += [
            (socket.IPPROTO_TCP, "TCP_KEEPIDLE", keepalive.idle),
            (socket.IPPROTO_TCP, "TCP_KEEPINTVL", keepalive.interval),
            (socket.IPPROTO_TCP, "TCP_KEEPCNT", keepalive.count),
        ]
    options.append((socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", int(keepalive.user_timeout * 1000)))
    # A copy: an event loop's own socket does not allow this.
    with socket.socket(fileno=os.dup(transport_socket.fileno())) as copied:
        for level, name, value in options:
            number = getattr(socket, name, None)  # macOS has other names for some
            if number is not None and (value or name == "SO_KEEPALIVE"):
                copied.setsockopt(level, number, value)
