"""The pool of connections to Redis, against a real server that goes away, hangs and changes."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bookstore_api.cache.client import (
    RedisClient,
    RedisUnavailableError,
    open_redis,
)
from bookstore_api.settings import Settings
from bookstore_api.shop.domains import self_test
from bookstore_api.web.resources import open_resources
from tests.support.valkey import Valkey

SECRET = "hunter2-canary"
PATIENCE = 20.0


@asynccontextmanager
async def client_of(uri: Callable[[], str | None], seconds: float = 0.2) -> Any:
    client = RedisClient(uri, timeout_seconds=seconds)
    try:
        yield client
    finally:
        await client.close()


async def code_of(work: Awaitable[object]) -> str:
    """How it failed; empty where it did not."""
    try:
        await work
    except RedisUnavailableError as error:
        return error.code
    return ""


async def until(client: RedisClient, code: str) -> None:
    """Ask until the answer is this one."""
    deadline = time.monotonic() + PATIENCE
    while (now := await code_of(client.ping())) != code:
        assert time.monotonic() < deadline, now
        await asyncio.to_thread(time.sleep, 0.01)


def test_work_is_done_on_many_connections_at_once(valkey: Valkey) -> None:
    async def run() -> None:
        async with client_of(lambda: valkey.url, seconds=10) as client:
            await asyncio.gather(
                *(client.guarded(lambda redis: redis.incr("counter")) for _ in range(200))
            )
            assert await client.guarded(lambda redis: redis.get("counter")) == b"200"

    asyncio.run(run())


def test_a_restart_between_two_calls_costs_nothing(private_valkey: Valkey) -> None:
    async def run() -> None:
        async with client_of(lambda: private_valkey.url, seconds=10) as client:
            await client.ping()
            await asyncio.to_thread(private_valkey.stop)
            await asyncio.to_thread(private_valkey.start)
            await client.ping()

    asyncio.run(run())


def test_a_stopped_server_is_unreachable_until_it_is_back(private_valkey: Valkey) -> None:
    async def run() -> None:
        async with client_of(lambda: private_valkey.url) as client:
            await client.ping()
            private_valkey.stop()
            assert await code_of(client.ping()) == "unreachable"
            private_valkey.start()
            await until(client, "")

    asyncio.run(run())


def test_a_frozen_server_is_waited_for_once_a_second_by_one_caller(private_valkey: Valkey) -> None:
    async def run() -> None:
        async with client_of(lambda: private_valkey.url, seconds=0.5) as client:
            await client.ping()
            private_valkey.freeze()
            began = time.monotonic()
            assert await code_of(client.ping()) == "timeout"
            assert 0.5 <= time.monotonic() - began < PATIENCE

            began = time.monotonic()
            for _ in range(100):
                assert await code_of(client.ping()) == "timeout"
            assert time.monotonic() - began < 0.5  # a hundred waits would take fifty seconds

            private_valkey.thaw()
            await until(client, "")

    asyncio.run(run())


def test_a_changed_password_is_read_from_the_secret(private_valkey: Valkey, tmp_path: Path) -> None:
    secret = tmp_path / "redis" / "uri"
    secret.parent.mkdir()
    secret.write_text(private_valkey.url + "\n", encoding="utf-8")
    settings = Settings.model_validate({"secrets_dir": tmp_path, "redis_timeout_seconds": 1})

    async def run() -> None:
        client = open_redis(settings)
        assert client is not None
        try:
            await client.ping()
            await asyncio.to_thread(private_valkey.change_password)
            await until(client, "authentication-failed")
            secret.write_text(private_valkey.url, encoding="utf-8")
            await until(client, "")

            await asyncio.to_thread(private_valkey.change_password)
            secret.write_text(private_valkey.url, encoding="utf-8")
            await client.connection_pool.disconnect()
            await client.ping()  # a connection that is made again reads it too: no call is lost
        finally:
            await client.close()

    asyncio.run(run())


def test_an_error_that_redis_answers_with_keeps_nobody_away(valkey: Valkey) -> None:
    async def run() -> None:
        async with client_of(lambda: valkey.url, seconds=10) as client:
            await client.guarded(lambda redis: redis.set("text", SECRET))
            with pytest.raises(RedisUnavailableError) as caught:
                await client.guarded(lambda redis: redis.incr("text"))
            assert caught.value.code == "failed"
            assert SECRET not in str(caught.value)
            await client.ping()

    asyncio.run(run())


def test_a_uri_that_is_gone_is_reported(valkey: Valkey) -> None:
    uris: list[str | None] = [valkey.url]

    async def run() -> None:
        async with client_of(lambda: uris[-1]) as client:
            for gone in (None, "nonsense", valkey.url.replace("redis", "rediss")):
                uris.append(gone)
                with pytest.raises(RedisUnavailableError, match="The Redis URI") as caught:
                    await client.ping()
                assert caught.value.code == "failed"
            uris.append(valkey.url)
            await client.ping()

    asyncio.run(run())


def test_a_call_that_is_cancelled_spoils_nothing(private_valkey: Valkey) -> None:
    async def run() -> None:
        async with client_of(lambda: private_valkey.url, seconds=30) as client:
            await client.ping()
            private_valkey.freeze()
            task = asyncio.create_task(client.ping())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            private_valkey.thaw()
            assert await client.guarded(lambda redis: redis.echo("mine")) == b"mine"

    asyncio.run(run())


def test_the_process_opens_one_where_a_uri_is_set(valkey: Valkey, settings: Settings) -> None:
    async def run() -> None:
        async with open_resources(settings, self_test) as resources:
            assert resources.redis is None
        with_redis = settings.model_copy(
            update={"redis_url": Settings.model_validate({"redis_url": valkey.url}).redis_url}
        )
        async with open_resources(with_redis, self_test) as resources:
            assert resources.redis is not None
            await resources.redis.ping()

    asyncio.run(run())
