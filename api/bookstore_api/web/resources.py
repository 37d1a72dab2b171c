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


@asynccontextmanager
async def open_resources(settings: Settings, self_test: SelfTest) -> AsyncIterator[Resources]:
    """Open what the apps share, and close it; raises SettingsError."""
    database, redis, drain = open_database(settings), open_redis(settings), Drain()
    health = Health(settings, database, redis, drain, self_test)
    try:
        yield Resources(settings, database, redis, drain, health)
    finally:
        await health.close()
        if redis is not None:
            await redis.close()
        await database.close()
