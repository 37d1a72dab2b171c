"""One pool of connections to Redis for the process, which never keeps anybody waiting for long."""

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from bookstore_api.cache.answers import (
    TLS_PROBLEMS,
    UNKNOWN_NAME,
    FailureCode,
    explain_answer,
)
from bookstore_api.cache.breaker import Breaker
from bookstore_api.settings import Settings, SettingsError
from bookstore_api.uris.redis import RedisServer, parse_redis_uri
from bookstore_api.uris.tls import tls_problem

T = TypeVar("T")

MAX_CONNECTIONS = 16
# After a failure nobody waits for Redis again for this long.
BREAKER_SECONDS = 1.0
CLOSE_SECONDS = 1.0
# It answered, and fast: no reason to stay away.
ANSWERED: frozenset[FailureCode] = frozenset(
    {"read-only", "out-of-memory", "forbidden", "not-ready", "failed"}
)

log = structlog.stdlib.get_logger(__name__)


class RedisUnavailableError(Exception):
    """Redis could not be used; the message says why and what to do, without the URI."""

    def __init__(self, code: FailureCode, message: str) -> None:
        super().__init__(message)
        self.code: FailureCode = code


class _Live(AbstractConnection):
    """A connection that goes where the URI points to when it connects, also when it does again."""

    def __init__(self, *, server: Callable[[], RedisServer], **arguments: Any) -> None:
        super().__init__(**arguments)
        self._server = server

    async def connect(self) -> None:
        if not self.is_connected:
            now = self._server()
            _check_tls_files(now)
            self.host, self.port, self.db = now.host, now.port, now.database
            self.username, self.password = now.username, now.password
        await super().connect()  # type: ignore[no-untyped-call]


def _check_tls_files(server: RedisServer) -> None:
    """Raise SettingsError for a file that is missing: its error would be taken for the server's."""
    for parameter, path in server.tls_files.items():
        if not (path.exists() and os.access(path, os.R_OK)):
            msg = f"What {parameter} of the Redis URI names can't be read: mount it."
            raise SettingsError(msg)


class _PlainConnection(_Live, Connection):
    pass


class _TlsConnection(_Live, SSLConnection):
    pass


class RedisClient:
    """The pool of one process. Close it when done."""

    def __init__(self, uri: Callable[[], str | None], *, timeout_seconds: float) -> None:
        """Connect to nothing yet; `uri` is called again for each new connection.

        Raises SettingsError.
        """
        self._uri = uri
        self._timeout = timeout_seconds
        self._breaker = Breaker(BREAKER_SECONDS)
        self._latest = RedisUnavailableError("unreachable", "Redis was not asked yet.")
        self._failing: FailureCode | None = None
        self._tls: bool | None = None
        server = self._server()
        self._tls = server.tls
        # One limit around each call, below, in place of redis-py's own for each step of it. No
        # CLIENT SETINFO, and no retries: both only take time.
        self._redis = Redis(
            connection_pool=BlockingConnectionPool(
                connection_class=_TlsConnection if server.tls else _PlainConnection,
                max_connections=MAX_CONNECTIONS,
                timeout=None,
                server=self._server,
                socket_timeout=None,
                socket_connect_timeout=None,
                protocol=2,
                driver_info=None,
                **server.tls_arguments,
            )
        )

    @property
    def connection_pool(self) -> BlockingConnectionPool:
        """For libraries that bring commands of their own: use them inside of `guarded` only."""
        pool = self._redis.connection_pool
        assert isinstance(pool, BlockingConnectionPool)  # noqa: S101 - made above
        return pool

    @property
    def breaker_open(self) -> bool:
        """Whether it failed when it was asked last, so that it is asked by few."""
        return self._breaker.open

    async def ping(self) -> None:
        """Ask whether it answers; raises RedisUnavailableError."""
        await self.guarded(lambda redis: redis.ping())

    async def guarded(self, work: Callable[[Redis], Awaitable[T]]) -> T:
        """Do some work on Redis within the time limit, if it is worth to try.

        Raises RedisUnavailableError, at once where Redis failed a moment ago.
        """
        if not self._breaker.admits():
            raise RedisUnavailableError(self._latest.code, str(self._latest))
        try:
            async with asyncio.timeout(self._timeout):
                result = await work(self._redis)
        except (
            Exception
        ) as error:  # its parser raises what Python raises for an answer it can't read
            failure = _explain(error, self._timeout, tls=bool(self._tls))
            self._note(failure)
            raise failure from error
        except BaseException:
            self._breaker.gave_up()
            raise
        if self._failing:
            log.info("Redis answers again")
        self._failing = None
        self._breaker.succeeded()
        return result

    def _note(self, failure: RedisUnavailableError) -> None:
        if self._failing != failure.code:
            log.warning("Redis unavailable", reason=failure.code)
        self._failing = failure.code
        if failure.code in ANSWERED:
            self._breaker.succeeded()
            return
        self._latest = failure
        self._breaker.failed()

    def _server(self) -> RedisServer:
        uri = self._uri()
        if uri is None:
            msg = "The Redis URI is gone: mount its secret again, or restart without one."
            raise SettingsError(msg)
        try:
            server = parse_redis_uri(uri)
        except ValueError as error:
            raise SettingsError(str(error)) from None
        if self._tls not in {None, server.tls}:
            msg = "The Redis URI changed between redis:// and rediss://: restart to use it."
            raise SettingsError(msg)
        return server

    async def close(self) -> None:
        """Close every connection; those whose server does not answer are left to the system."""
        with suppress(TimeoutError, OSError, RedisError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.connection_pool.aclose()


def open_redis(settings: Settings) -> RedisClient | None:
    """Make the client of the settings, nothing connected yet; None where no Redis is set.

    Raises SettingsError.
    """
    if settings.secret_now("redis_url") is None:
        return None
    return RedisClient(
        lambda: settings.secret_now("redis_url"), timeout_seconds=settings.redis_timeout_seconds
    )


def _explain(error: Exception, timeout_seconds: float, *, tls: bool) -> RedisUnavailableError:
    """Tell an absent server, rejected credentials, slowness and all other failures apart."""
    return RedisUnavailableError(
        *(explain_answer(error) or _explain_silence(error, timeout_seconds, tls=tls))
    )


def _explain_silence(
    error: Exception, timeout_seconds: float, *, tls: bool
) -> tuple[FailureCode, str]:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError):
            return TLS_PROBLEMS[tls_problem(cause)]
        if isinstance(cause, socket.gaierror):
            return "unreachable", UNKNOWN_NAME
    if isinstance(error, RedisTimeoutError | TimeoutError):
        hint = "has no TLS, use redis://" if tls else "demands TLS, use rediss://"
        return "timeout", f"Redis gave no answer in {timeout_seconds:g} s. If its port {hint}."
    if isinstance(error, RedisConnectionError | OSError):
        message = "Redis does not answer: check that it runs, and the host and port of its URI."
        return "unreachable", message
    if isinstance(error, SettingsError):
        return "failed", str(error)
    return "failed", f"Redis answered with {type(error).__name__}."


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
