"""The checks of what this process depends on. Each is asked through a `Probe`, which limits it."""

import asyncio
import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from sqlalchemy import text

from bookstore_api.cache.client import RedisUnavailableError
from bookstore_api.cache.counters import Counters
from bookstore_api.db.errors import ERRORS, explain
from bookstore_api.db.schema.check import Compatibility, SelfTest, check_compatibility
from bookstore_api.db.sessions import Database
from bookstore_api.db.sqlstates import NO_CONNECTION_TO_SPARE, READ_ONLY, Failure
from bookstore_api.health.finding import Finding, Findings, State
from bookstore_api.health.probe import CHECK_SECONDS
from bookstore_api.settings import SettingsError

T = TypeVar("T")
FreeSpace = Mapping[str, int] | OSError

DATABASE, SCHEMA, REDIS, DISK = "database", "schema", "redis", "disk"
SCHEMA_INCOMPATIBLE = f"{SCHEMA}-incompatible"
# Without these nobody can be served.
REQUIRED = frozenset({DATABASE, SCHEMA})
# Slower than this, a few questions to the database take longer than an answer should in all.
DATABASE_SLOW_SECONDS = 0.1
REDIS_SLOW_SECONDS = 0.05
FULL_BYTES = 1024 * 1024
# A hanging connection is cut a little before the check is given up: then it ends by itself.
CONNECTION_SECONDS = CHECK_SECONDS - 0.1
CANCEL_SECONDS = 0.05
# One that worked before has less, so that there is time for another: it may be lost without a word.
USED_CONNECTION_SECONDS = 1.0

_UNKNOWN_SCHEMA = Finding(
    SCHEMA, State.UNKNOWN, "Not known while the database does not answer: fix that first."
)


_UNTESTED_SCHEMA = Finding(
    SCHEMA,
    State.DEGRADED,
    "Not tested while the database can't carry out writes.",
    "schema-untested",
)


class DatabaseCheck:
    """Whether the database answers, and whether this code works on its schema."""

    def __init__(self, database: Database, self_test: SelfTest) -> None:
        self._database = database
        self._self_test = self_test
        self._tested: set[tuple[str, ...]] = set()
        self._seen_rejected_writes = 0
        self._lost_connection = False

    async def __call__(self) -> Findings:
        """Ask over the connection kept for it; where that hangs or is lost, over a new one."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + CONNECTION_SECONDS
        # SQLite's can't be lost, and wait for a lock for longer.
        if self._database.file is None and self._database.has_health_connection:
            findings = await self._check_within(USED_CONNECTION_SECONDS, repeat=True)
            if findings is not None:
                return findings
        findings = None
        with contextlib.suppress(TimeoutError):
            # One that is being made can't be cut yet, but canceled.
            async with asyncio.timeout_at(deadline + CANCEL_SECONDS):
                findings = await self._check_within(deadline - clock())
        return findings or database_unanswered(
            "timeout", f"No answer within {CONNECTION_SECONDS:g} s."
        )

    async def _check_within(self, seconds: float, *, repeat: bool = False) -> Findings | None:
        """Check, by a connection that is cut after this time; None where it was.

        With `repeat`, also None for what requests run their transactions again for.
        """
        loop = asyncio.get_running_loop()
        cut = loop.call_later(seconds, self._database.abort_health_connection)
        try:
            return await self._check()
        except ERRORS as error:
            if loop.time() >= cut.when():
                self._lost_connection = True
                return None
            failure = explain(error)
            if repeat and failure.repeatable:
                return None
            if failure is NO_CONNECTION_TO_SPARE:
                self._database.make_room_for_health()
            if failure.code == "no-resources":
                return _writes_fail(failure)
            return database_unanswered(failure.code, failure.message)
        except SettingsError as error:
            return _database_failed("settings", str(error))
        finally:
            cut.cancel()

    async def _check(self) -> Findings:
        rejected_writes = self._database.rejected_writes
        latency, read_only = await self._ask()
        if self._lost_connection:  # the server answers, so others may be lost as well
            self._database.replace_connections()
            self._lost_connection = False
        if rejected_writes != self._seen_rejected_writes:
            self._tested.clear()  # look whether writes work again, until they do
        compatibility = await check_compatibility(
            self._database, None if read_only else self._self_test, tested=self._tested
        )
        if read_only:
            # The role's default is that of when the session began, and there may be another primary
            self._database.replace_health_connection()
            return Findings(
                (_degraded(READ_ONLY, latency), _schema_finding(compatibility)),
                compatibility.applied,
            )
        self._seen_rejected_writes = rejected_writes
        return Findings(
            (_latency_finding(latency), _schema_finding(compatibility)), compatibility.applied
        )

    async def _ask(self) -> tuple[float, bool]:
        """Ask whether a transaction may write; how long that took in seconds, and the answer."""
        async with self._database.health_connection() as connection:
            began = time.perf_counter()
            if self._database.file is None:
                answer = await connection.scalar(text("SHOW transaction_read_only"))
            else:
                answer = await connection.scalar(text("SELECT 'off'"))
            return time.perf_counter() - began, answer == "on"


def _writes_fail(failure: Failure) -> Findings:
    """Tell of a database that answers, and can't carry out what users send."""
    return Findings((_degraded(failure, None), _UNTESTED_SCHEMA))


def _degraded(failure: Failure, latency: float | None) -> Finding:
    return Finding(DATABASE, State.DEGRADED, failure.message, f"{DATABASE}-{failure.code}", latency)


def database_unanswered(code: str, message: str) -> Findings:
    """Tell of a database that gave no answer, and so of a schema that is not known."""
    return _database_failed(f"{DATABASE}-{code}", message)


def _database_failed(code: str, message: str) -> Findings:
    return Findings((Finding(DATABASE, State.FAILED, message, code), _UNKNOWN_SCHEMA))


def _latency_finding(latency: float) -> Finding:
    if latency > DATABASE_SLOW_SECONDS:
        message = (
            f"It took longer than {DATABASE_SLOW_SECONDS * 1000:g} ms to answer: look at its load, "
            "and at the network between."
        )
        return Finding(DATABASE, State.DEGRADED, message, f"{DATABASE}-slow", latency)
    return Finding(DATABASE, State.OK, "The database answers.", latency=latency)


def _schema_finding(compatibility: Compatibility) -> Finding:
    if compatibility.compatible:
        return Finding(SCHEMA, State.OK, compatibility.message)
    return Finding(SCHEMA, State.FAILED, compatibility.message, f"{SCHEMA}-{compatibility.status}")


class RedisCheck:
    """Whether Redis counts for us. It may be absent: then each process limits writes by itself."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    async def __call__(self) -> Findings:
        """Count, as the limits do: a server that answers may yet accept no writes."""
        began = time.perf_counter()
        try:
            await self._counters.check()
        except RedisUnavailableError as error:
            return redis_unanswered(error.code, str(error))
        latency = time.perf_counter() - began
        if latency > REDIS_SLOW_SECONDS:
            message = (
                f"It took longer than {REDIS_SLOW_SECONDS * 1000:g} ms to answer: look at its "
                "load, and at the network between."
            )
            slow = Finding(REDIS, State.DEGRADED, message, f"{REDIS}-slow", latency)
            return Findings((slow,))
        return Findings((Finding(REDIS, State.OK, "Redis answers and counts.", latency=latency),))


def redis_unanswered(code: str, message: str) -> Findings:
    """Tell of a Redis that gave no answer, and of what that means."""
    message = f"{message} Until it answers, each process limits writes by itself."
    return Findings((Finding(REDIS, State.FAILED, message, f"{REDIS}-{code}"),))


class DiskCheck:
    """Whether there is room in the folders that this process, or its SQLite file, writes to."""

    def __init__(self, database_file: Path | None, *, minimum_bytes: int) -> None:
        self._minimum = minimum_bytes
        self._folders = {"temporary files": _temporary_folder()}
        if database_file is not None:
            self._folders["the database"] = database_file.parent
        self._asked: asyncio.Future[FreeSpace] | None = None

    async def __call__(self) -> Findings:
        """Ask the file systems, in a thread: one that is mounted from elsewhere may hang.

        A thread can't be canceled: while one hangs, the next check waits for the same one.
        """
        began = time.perf_counter()
        if self._asked is None or self._asked.done():
            self._asked = in_daemon_thread(self._free_space)
        room = await asyncio.shield(self._asked)
        if isinstance(room, OSError):
            return disk_unanswered("failed", f"The free space can't be read: {room.strerror}.")
        latency = time.perf_counter() - began
        return Findings((check_free_space(room.items(), self._minimum, latency),))

    def _free_space(self) -> FreeSpace:
        """How many bytes are left in the folder of each use, or why that is unknown."""
        left = {}
        try:
            for use, folder in self._folders.items():
                status = os.statvfs(folder)
                left[use] = status.f_bavail * status.f_frsize
        except OSError as error:
            return error
        return left


def _temporary_folder() -> Path:
    """Return the folder for temporary files; where none can be written, the usual one."""
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:  # nobody needs one to read and write books
        return Path("/tmp")  # noqa: S108 - nothing is written there


def in_daemon_thread(work: Callable[[], T]) -> asyncio.Future[T]:
    """Do some work, which must not raise, in a thread that keeps no process from ending."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        result = work()
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(done.set_result, result)

    threading.Thread(target=run, name="disk", daemon=True).start()
    return done


def disk_unanswered(code: str, message: str) -> Findings:
    """Tell of file systems that gave no answer."""
    message = f"{message} Check the volumes of this process."
    return Findings((Finding(DISK, State.FAILED, message, f"{DISK}-{code}"),))


def check_free_space(free: Iterable[tuple[str, int]], minimum: int, latency: float) -> Finding:
    """Judge by the folder with the least room; `free` and `minimum` in bytes."""
    use, left = min(free, key=lambda item: item[1])
    room = f"{left / 1024 / 1024:.0f} MiB are left in the folder of {use}"
    if left < min(FULL_BYTES, minimum):
        message = f"{room}: it is full. Make room, or give it a larger volume."
        return Finding(DISK, State.FAILED, message, f"{DISK}-full", latency)
    if left < minimum:
        message = f"{room}, less than {minimum / 1024 / 1024:.0f}: make room there."
        return Finding(DISK, State.DEGRADED, message, f"{DISK}-low", latency)
    return Finding(DISK, State.OK, f"{room}.", latency=latency)
