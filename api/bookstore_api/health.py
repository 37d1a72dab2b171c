"""Is this process alive, is it ready, what is it? The internal port's answers."""

import asyncio
import time
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bookstore_api import __version__
from bookstore_api.database import Database, explain
from bookstore_api.middleware.connections import Drain
from bookstore_api.schema.check import Assessment, assess, known_revisions
from bookstore_api.schema.tree import load_tree
from bookstore_api.settings import Settings, SettingsError

CACHE_SECONDS = 1.0
CHECK_SECONDS = 2.0

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Reason:
    """Why this process is not ready."""

    code: str
    message: str


@dataclass(frozen=True)
class _Result:
    reasons: tuple[Reason, ...]
    schema: tuple[str, ...] | None
    expires: float


class Health:
    """Readiness, asked of the database at most once a second and answered within two."""

    def __init__(self, settings: Settings, database: Database, drain: Drain) -> None:
        self._settings = settings
        self._database = database
        self._drain = drain
        self._rehearsed: set[tuple[str, ...]] = set()
        self._latest = _Result((), None, expires=0)
        self._check: asyncio.Task[_Result] | None = None

    async def readiness(self) -> tuple[HTTPStatus, dict[str, Any]]:
        """Whether users may be sent here, and why not."""
        if self._drain.started:
            reasons: tuple[Reason, ...] = (Reason("draining", "This process is about to stop."),)
        else:
            reasons = (await self._result()).reasons
        if reasons:
            body = {"status": "not-ready", "reasons": [asdict(reason) for reason in reasons]}
            return HTTPStatus.SERVICE_UNAVAILABLE, body
        return HTTPStatus.OK, {"status": "ready", "reasons": []}

    async def version(self) -> dict[str, Any]:
        """Tell what this process is; the database's revisions are null where it can't be asked."""
        schema = (await self._result()).schema
        return {
            "name": "bookstore-api",
            "version": __version__,
            "revision": self._settings.revision,
            "colour": self._settings.colour,
            "image": self._settings.image,
            "schema": {
                "code": list(known_revisions(load_tree())),
                "database": None if schema is None else list(schema),
            },
        }

    async def _result(self) -> _Result:
        """Return the latest result, or a new one where it is old; many callers share one check."""
        if time.monotonic() < self._latest.expires:
            return self._latest
        if self._check is None or self._check.done():
            self._check = asyncio.create_task(self._ask())
        # Waited for from outside: a driver that hangs may take longer to give up than we have.
        done, _ = await asyncio.wait({self._check}, timeout=CHECK_SECONDS)
        self._remember(
            self._check.result()
            if done
            else _fresh(Reason("database-timeout", f"No answer within {CHECK_SECONDS:g} s."))
        )
        return self._latest

    def _remember(self, result: _Result) -> None:
        if result.reasons != self._latest.reasons:
            codes = [reason.code for reason in result.reasons]
            log.info("readiness changed", ready=not codes, reasons=codes)
        self._latest = result

    async def _ask(self) -> _Result:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                assessment = await assess(self._database, rehearsed=self._rehearsed)
        except (SQLAlchemyError, OSError) as error:
            failure = explain(error)
            return _fresh(Reason(f"database-{failure.code}", failure.message))
        except SettingsError as error:
            return _fresh(Reason("settings", str(error)))
        return _fresh(*_reasons(assessment), schema=assessment.applied)

    async def close(self) -> None:
        """Give up a check that still runs."""
        if self._check is not None and not self._check.done():
            self._check.cancel()
            await asyncio.wait({self._check}, timeout=CHECK_SECONDS)


def _fresh(*reasons: Reason, schema: tuple[str, ...] | None = None) -> _Result:
    return _Result(reasons, schema, time.monotonic() + CACHE_SECONDS)


def _reasons(assessment: Assessment) -> tuple[Reason, ...]:
    if assessment.compatible:
        return ()
    return (Reason(f"schema-{assessment.verdict}", assessment.message),)
