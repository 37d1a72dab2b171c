"""At the default level a line is ours, and their number is small."""

import logging
from collections import Counter

import httpx
import pytest

from tests.support.bookstore import StartProcess, wait_until
from tests.support.log_lines import logging_to
from tests.support.valkey import Valkey

BOOKS = "/api/v1/books"
LIBRARIES = (
    "aiosqlite",
    "alembic.runtime.migration",
    "asyncio",
    "asyncpg",
    "httpx",
    "limits",
    "redis",
    "sqlalchemy.engine.Engine",
    "sqlalchemy.pool",
    "uvicorn.access",
    "uvicorn.error",
)


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_library_is_heard_from_warning_on(name: str) -> None:
    """Also one that sets a level of its own."""
    logger = logging.getLogger(name)
    before = logger.level
    with logging_to(log_level="info") as stream:
        logger.setLevel(logging.DEBUG)
        logger.info("at work")
        assert not stream.getvalue()
        logger.warning("in trouble")
        assert "warning" in stream.getvalue()
    logger.setLevel(before)


def test_a_request_is_one_line_and_a_probe_none(
    start: StartProcess, migrated_postgres: str, valkey: Valkey
) -> None:
    process = start(
        migrated_postgres,
        redis_url=valkey.url,
        rate_limit_writes="100/minute",
        staff_token="x" * 40,
    ).wait_until_ready()
    begun = len(process.lines())
    for _ in range(3):
        assert httpx.get(process.url + BOOKS).status_code == 200
    for path in ("/livez", "/readyz", "/health", "/metrics", "/version"):
        assert process.internal(path).status_code == 200
    answer = httpx.delete(
        f"{process.url}{BOOKS}/00000000-0000-0000-0000-000000000000",
        headers={"authorization": "Bearer " + "x" * 40},
    )
    assert answer.status_code == 404

    def events() -> Counter[str]:
        return Counter(line["event"] for line in process.lines()[begun:])

    # The line of a request may be written after its answer.
    wait_until(lambda: events()["request"] == 4, "a line for each request")
    assert events() == {"request": 4, "staff token": 1}
