"""What the apps of one process share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from bookstore_api.cache.client import RedisClient, open_redis
from bookstore_api.db.schema.check import SelfTest
from bookstore_api.db.sessions import Database, open_database
from bookstore_api.health import Health
from bookstore_api.kit.key_ring import KeyRing
from bookstore_api.process.drain import Drain
from bookstore_api.settings import Settings

CLOSE_SECONDS = 4.0

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Resources:
    """What the apps of one process share."""

    settings: Settings
    database: Database
    redis: RedisClient | None
    drain: Drain
    health: Health
    keys: KeyRing

    async def close(self) -> None:
        """Give up the checks that still run, and close every connection: all at once.

        Each close has a limit of its own, and all together `CLOSE_SECONDS`: then the rest is left
        to the end of the process.
        """
        closing = [self.health.close(), self.database.close()]
        if self.redis is not None:
            closing.append(self.redis.close())
        tasks = {asyncio.ensure_future(close) for close in closing}
        _, unfinished = await asyncio.wait(tasks, timeout=CLOSE_SECONDS)
        if unfinished:
            log.warning("connections left open", seconds=CLOSE_SECONDS)


def make_resources(settings: Settings, self_test: SelfTest) -> Resources:
    """Make what the apps share, nothing connected yet; raises SettingsError."""
    database, redis, drain = open_database(settings), open_redis(settings), Drain()
    health = Health(settings, database, redis, drain, self_test)
    return Resources(settings, database, redis, drain, health, KeyRing(settings))


@asynccontextmanager
async def open_resources(settings: Settings, self_test: SelfTest) -> AsyncIterator[Resources]:
    """Make what the apps share, and close it; raises SettingsError."""
    resources = make_resources(settings, self_test)
    try:
        yield resources
    finally:
        await resources.close()
