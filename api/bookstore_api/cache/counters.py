"""Counters in Redis that all processes share: what limits are counted with."""

from limits.aio.storage import RedisStorage
from redis.asyncio import Redis
from redis.exceptions import InvalidResponse

from bookstore_api.cache.client import RedisClient

KEY_PREFIX = "bookstore:limits"
HEALTH_KEY = "health"
HEALTH_SECONDS = 10


class Counters:
    """Counters with an end, in one Redis."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self._storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix=KEY_PREFIX,
            connection_pool=redis.connection_pool,  # type: ignore[arg-type]  # as it documents
        )

    async def increment(self, key: str, seconds: int) -> int:
        """Count one more, in a counter that ends `seconds` after it began.

        Raises RedisUnavailableError.
        """

        async def count(_redis: Redis) -> int:
            answer: object = await self._storage.incr(key, seconds)
            if not isinstance(answer, int):
                msg = "no number"
                raise InvalidResponse(msg)
            return answer

        return await self._redis.guarded(count)

    async def check(self) -> None:
        """Do what a limit does, on a counter of its own; raises RedisUnavailableError."""
        await self.increment(HEALTH_KEY, HEALTH_SECONDS)
