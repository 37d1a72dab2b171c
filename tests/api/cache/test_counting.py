"""A Redis that answers and does not count: health says so, and so does the log, once."""

import asyncio
import json
from collections.abc import Callable

import pytest
import redis

from bookstore_api.cache.client import RedisClient, RedisUnavailableError
from bookstore_api.cache.counters import Counters
from bookstore_api.health.checks import RedisCheck
from bookstore_api.web.middleware.rate_limit import Limit, SharedCounter
from tests.support.log_lines import logging_to
from tests.support.valkey import Valkey


def command(admin: redis.Redis, *words: str) -> None:
    admin.execute_command(*words)  # type: ignore[no-untyped-call]  # it has no types


def make_replica(admin: redis.Redis) -> None:
    command(admin, "REPLICAOF", "127.0.0.1", "9")


def fill_memory(admin: redis.Redis) -> None:
    admin.config_set("maxmemory-policy", "noeviction")
    admin.config_set("maxmemory", "1")


def take_rights(admin: redis.Redis) -> None:
    command(admin, "ACL", "SETUSER", "default", "-@all", "+ping", "+acl", "+select")


def take_one_right(admin: redis.Redis) -> None:
    command(admin, "ACL", "SETUSER", "default", "-incrby")


@pytest.mark.parametrize(
    ("hurt", "code"),
    [
        (make_replica, "read-only"),
        (fill_memory, "out-of-memory"),
        (take_rights, "forbidden"),
        (take_one_right, "forbidden"),
    ],
)
def test_health_and_log_tell_that_redis_does_not_count(
    private_valkey: Valkey, hurt: Callable[[redis.Redis], None], code: str
) -> None:
    async def run() -> tuple[list[str], list[bool]]:
        client = RedisClient(lambda: private_valkey.url, timeout_seconds=5)
        check = RedisCheck(Counters(client))
        limit = SharedCounter(Limit("writes", 100, 60), client)
        states = [(await check()).items[0].code.removeprefix("redis-slow")]
        with private_valkey.client() as admin:
            hurt(admin)
        decisions = [(await limit.hit("somebody")).allowed for _ in range(3)]
        states.append((await check()).items[0].code)
        with pytest.raises(RedisUnavailableError):
            await Counters(client).check()
        await client.close()
        return states, decisions

    with logging_to(log_level="info") as stream:
        states, decisions = asyncio.run(run())
    assert states == ["", f"redis-{code}"]
    assert decisions == [True] * 3
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["event"], line["reason"]) for line in lines] == [("Redis unavailable", code)]


def test_closing_a_frozen_redis_is_bounded(private_valkey: Valkey) -> None:
    async def run() -> float:
        client = RedisClient(lambda: private_valkey.url, timeout_seconds=5)
        await client.ping()
        private_valkey.freeze()
        began = asyncio.get_running_loop().time()
        await client.close()
        return asyncio.get_running_loop().time() - began

    assert asyncio.run(run()) < 5


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [("redis://", "rediss://", "use redis://"), ("/0", "/99999", "number in the URI")],
)
def test_the_cause_is_named(valkey: Valkey, before: str, after: str, words: str) -> None:
    async def message() -> str:
        client = RedisClient(lambda: valkey.url.replace(before, after), timeout_seconds=1)
        with pytest.raises(RedisUnavailableError) as caught:
            await client.ping()
        await client.close()
        return str(caught.value)

    assert words in asyncio.run(message())
