"""What the internal port answers: readiness, the report of all dependencies, the version."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog

from bookstore_api import __version__
from bookstore_api.cache.client import RedisClient
from bookstore_api.cache.counters import Counters
from bookstore_api.db.schema.check import SelfTest, known_revisions
from bookstore_api.db.schema.tree import load_tree
from bookstore_api.db.sessions import Database
from bookstore_api.health.checks import (
    REQUIRED,
    SCHEMA_INCOMPATIBLE,
    DatabaseCheck,
    DiskCheck,
    RedisCheck,
    database_unanswered,
    disk_unanswered,
    redis_unanswered,
)
from bookstore_api.health.finding import Finding, State
from bookstore_api.health.probe import Observed, Probe
from bookstore_api.process.drain import Drain
from bookstore_api.settings import Settings

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why this process is not ready."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Dependency:
    """A finding, how old it is in seconds, and whether nobody can be served without it."""

    finding: Finding
    age: float

    @property
    def required(self) -> bool:
        """Whether readiness fails with it."""
        return self.finding.dependency in REQUIRED


class Health:
    """How this process is. Each answer is given within `ANSWER_SECONDS`, whatever hangs.

    Nothing is asked unless somebody asks here, and then at most once in `CACHE_SECONDS`.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        redis: RedisClient | None,
        drain: Drain,
        self_test: SelfTest,
    ) -> None:
        """Ask nothing yet; the self-test is the code's own reads and writes."""
        self._settings = settings
        self._drain = drain
        self._database = Probe(DatabaseCheck(database, self_test), database_unanswered)
        disk = DiskCheck(database.file, minimum_bytes=settings.disk_min_free_bytes)
        self._others = [Probe(disk, disk_unanswered)]
        if redis is not None:
            self._others.insert(0, Probe(RedisCheck(Counters(redis)), redis_unanswered))
        self._told: tuple[str, ...] = ()
        self._has_been_ready = False

    async def readiness(self) -> tuple[HTTPStatus, dict[str, Any]]:
        """Whether users may be sent here, and why not; waits for required dependencies only."""
        reasons = await self.reasons()
        ready = self._is_ready(reasons)
        body = {
            "status": "ready" if ready else "not-ready",
            "reasons": [{"code": reason.code, "message": reason.message} for reason in reasons],
        }
        return HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, body

    async def ready(self) -> bool:
        """Whether users may be sent here."""
        return self._is_ready(await self.reasons())

    async def reasons(self) -> tuple[Reason, ...]:
        """Why users may not be sent here, or are not served all; none where all is well."""
        if self._drain.started:
            return (Reason("draining", "This process is about to stop."),)
        observed = await self._database.observe()
        reasons = tuple(
            Reason(finding.code, finding.message)
            for finding in observed.findings.items
            if finding.state is State.FAILED
        )
        self._tell(reasons)
        return reasons

    def _is_ready(self, reasons: Sequence[Reason]) -> bool:
        """Whether users may be sent here, though they may not be served all.

        A schema that has changed under a process which serves has changed for all of them at once:
        without them nobody is served, and with them what still works is.
        """
        codes = {reason.code for reason in reasons}
        if self._has_been_ready:
            codes -= {SCHEMA_INCOMPATIBLE}
        self._has_been_ready |= not codes
        return not codes

    async def dependencies(self) -> list[Dependency]:
        """How each dependency is, checked all at once."""
        observed = await asyncio.gather(*(p.observe() for p in (self._database, *self._others)))
        return [
            Dependency(finding, time.monotonic() - observation.began)
            for observation in observed
            for finding in observation.findings.items
        ]

    async def report(self) -> tuple[HTTPStatus, dict[str, Any]]:
        """How each dependency is and what to do; 503 where a required one is not well."""
        dependencies = await self.dependencies()
        overall = _overall(dependencies)
        body = {
            "status": overall,
            "draining": self._drain.started,
            "dependencies": {d.finding.dependency: _describe(d) for d in dependencies},
        }
        failed = overall is State.FAILED
        return HTTPStatus.SERVICE_UNAVAILABLE if failed else HTTPStatus.OK, body

    async def version(self) -> dict[str, Any]:
        """Tell what this process is; the database's revisions are null where it can't be asked."""
        observed: Observed = await self._database.observe()
        schema = observed.findings.schema
        return {
            "name": "bookstore-api",
            "version": __version__,
            "revision": self._settings.revision,
            "color": self._settings.color,
            "image": self._settings.image,
            "schema": {
                "code": list(known_revisions(load_tree())),
                "database": None if schema is None else list(schema),
            },
        }

    def _tell(self, reasons: tuple[Reason, ...]) -> None:
        codes = tuple(reason.code for reason in reasons)
        if codes != self._told:
            ready = self._is_ready(reasons)
            log.info("readiness changed", ready=ready, reasons=list(codes))
        self._told = codes

    async def close(self) -> None:
        """Give up the checks that still run."""
        await asyncio.gather(*(probe.close() for probe in (self._database, *self._others)))


def _overall(dependencies: Sequence[Dependency]) -> State:
    """Failed where a required dependency is not known to work, degraded for anything less."""
    unwell = [d for d in dependencies if d.finding.state is not State.OK]
    if any(d.required and d.finding.state in {State.FAILED, State.UNKNOWN} for d in unwell):
        return State.FAILED
    return State.DEGRADED if unwell else State.OK


def _describe(dependency: Dependency) -> dict[str, Any]:
    finding = dependency.finding
    return {
        "state": finding.state,
        "required": dependency.required,
        "latency_ms": None if finding.latency is None else round(finding.latency * 1000, 1),
        "age_seconds": round(dependency.age, 2),
        "code": finding.code or None,
        "message": finding.message,
    }
