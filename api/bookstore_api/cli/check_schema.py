"""`bookstore-api check-schema`."""

import asyncio

from bookstore_api.cli.command import open_direct_database, run_command
from bookstore_api.db.schema import check
from bookstore_api.process.result import CommandResult
from bookstore_api.settings import Settings
from bookstore_api.settings.policy import OF_THE_DATABASE


def check_schema() -> None:
    """Check whether this code works on the current database schema.

    Runs the code's own reads and writes in a transaction that is rolled back.

    Exit codes: 0 current, or ahead but compatible; 3 behind; 4 incompatible; 1 unknown.
    """
    from bookstore_api.shop.domains import self_test  # noqa: PLC0415 - it takes time to load

    async def work(settings: Settings) -> CommandResult:
        async with open_direct_database(settings) as database:
            return await check.check_schema(database, self_test)

    run_command(
        "check-schema", lambda settings: asyncio.run(work(settings)), enforced=OF_THE_DATABASE
    )
