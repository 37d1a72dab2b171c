"""What Redis, or what is mistaken for it, may answer: distinguished, and never an error of ours."""

import asyncio
import contextlib

import pytest

from bookstore_api.cache.client import RedisClient, RedisUnavailableError
from bookstore_api.cache.counters import Counters
from tests.support.valkey import Valkey

# By the bytes that come back: the code, and a word of the message.
ANSWERS = {
    b"-LOADING Redis is loading the dataset in memory\r\n": ("not-ready", "loads"),
    b"-CLUSTERDOWN The cluster is down\r\n": ("not-ready", "primary"),
    b"-MOVED 3999 127.0.0.1:6381\r\n": ("failed", "cluster"),
    b"-ASK 3999 127.0.0.1:6381\r\n": ("failed", "cluster"),
    b"-TRYAGAIN Multiple keys request during rehashing of slot\r\n": ("failed", "cluster"),
    b"-NOAUTH Authentication required.\r\n": ("authentication-failed", "password"),
    b"-WRONGPASS invalid username-password pair\r\n": ("authentication-failed", "password"),
    b"-DENIED Redis is running in protected mode\r\n": ("authentication-failed", "protected"),
    b"-MISCONF Errors writing to the AOF file: No space left\r\n": ("read-only", "disk"),
    b"-NOREPLICAS Not enough good replicas to write.\r\n": ("read-only", "replicas"),
    b"-READONLY You can't write against a read only replica.\r\n": ("read-only", "replica"),
    b"-OOM command not allowed when used memory > 'maxmemory'.\r\n": ("out-of-memory", "maxmemory"),
    b"-BUSY Redis is busy running a script.\r\n": ("not-ready", "script"),
    b"-MASTERDOWN Link with MASTER is down\r\n": ("not-ready", "primary"),
    b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n": ("failed", "key"),
    b"-ERR value is not an integer or out of range\r\n": ("failed", "key"),
    b"-ERR unknown command 'EVALSHA'\r\n": ("forbidden", "evalsha"),
    b"-NOPERM User x has no permissions to run the 'evalsha' command\r\n": ("forbidden", "evalsha"),
    b"-ERR max number of clients reached\r\n": ("unreachable", "maxclients"),
    b"-ERR DB index is out of range\r\n": ("failed", "number"),
    b"HTTP/1.1 400 Bad Request\r\n\r\n": ("failed", "no Redis"),
    b"+OK\r\n": ("failed", "no Redis"),
    b"$-1\r\n": ("failed", "no Redis"),
    b"*2\r\n:1\r\n:2\r\n": ("failed", "no Redis"),
    b"$3\r\n1.5\r\n": ("failed", "no Redis"),
    b"*1\r\n" * 3000: ("failed", "Redis"),
    b"-ERR " + b"x" * 100_000 + b"\r\n": ("failed", "Redis"),
    b"$10\r\nab": ("timeout", "rediss://"),
    b"\x15\x03\x01\x00\x02\x02\x28": ("timeout", "rediss://"),
}


async def count_at(uri: str) -> RedisUnavailableError | int:
    client = RedisClient(lambda: uri, timeout_seconds=0.5)
    try:
        return await Counters(client).increment("a", 10)
    except RedisUnavailableError as error:
        return error
    finally:
        await client.close()


async def count_against(answer: bytes) -> RedisUnavailableError | int:
    """Count at a server that says the same to everything."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while await reader.read(65536):
                writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        return await count_at(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0")


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: repr(answer[:16]))
def test_each_answer_is_distinguished(answer: bytes) -> None:
    code, word = ANSWERS[answer]
    error = asyncio.run(count_against(answer))
    assert isinstance(error, RedisUnavailableError)
    assert (error.code, word in str(error)) == (code, True), error
    assert "127.0.0.1" not in str(error)


def test_a_name_that_nobody_knows_and_a_missing_file_are_reported() -> None:
    for uri, word in (
        ("redis://no-such-host.invalid/0", "DNS"),
        ("rediss://127.0.0.1:1?ssl_ca_certs=/nowhere", "ssl_ca_certs"),
        ("rediss://127.0.0.1:1?ssl_certfile=/nowhere", "ssl_certfile"),
    ):
        error = asyncio.run(count_at(uri))
        assert word in str(error)


def test_a_key_of_another_program_is_reported(valkey: Valkey) -> None:
    """By a real server."""
    with valkey.client() as client:
        client.lpush("bookstore:limits:a", "x")
        error = asyncio.run(count_at(valkey.url))
        assert "delete it" in str(error)
        client.delete("bookstore:limits:a")
    assert asyncio.run(count_at(valkey.url)) == 1
