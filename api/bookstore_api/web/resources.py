"""What the apps of one process share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bookstore_api.cache.client import RedisClient, open_redis
from bookstore_api.db.schema.check import SelfTest
from bookstore_api.db.sessions import Database, open_database
from bookstore_api.health import Health
from bookstore_api.process.drain import Drain
from bookstore_api.settings import Settings


@dataclass(frozen=True)
class Resources:
    """What the apps of one process share."""

    settings: Settings
    database: Database
    redis: RedisClient | None
    drain: Drain
    health: Health

    async def close(self) -> None:
        """Give up the checks that still run, and close every connection."""
        await self.health.close()
        if self.redis is not None:
            await self.redis.close()
        await self.database.close()


def make_resources(settings: Settings, self_test: SelfTest) -> Resources:
    """Make what the apps share, nothing connected yet; raises SettingsError."""
    database, redis, drain = open_database(settings), open_redis(settings), Drain()
    health = Health(settings, database, redis, drain, self_test)
    return Resources(settings, database, redis, drain, health)


@asynccontextmanager
async def open_resources(settings: Settings, self_test: SelfTest) -> AsyncIterator[Resources]:
    """Make what the apps share, and close it; raises SettingsError."""
    resources = make_resources(settings, self_test)
    try:
        yield resources
    finally:
        await resources.close()
