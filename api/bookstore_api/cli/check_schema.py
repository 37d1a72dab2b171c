"""`bookstore-api check-schema`."""

from dataclasses import replace

from bookstore_api.cli.command import open_direct_database, run_command
from bookstore_api.db.capacity import read_capacity
from bookstore_api.db.schema import check
from bookstore_api.process.interrupt import run_interruptible
from bookstore_api.process.result import CommandResult
from bookstore_api.settings import Settings
from bookstore_api.settings.policy import OF_THE_DATABASE


def check_schema() -> None:
    """Check whether this code works on the current database schema.

    Runs the code's own reads and writes in a transaction that is rolled back. Also tells how many
    connections the database allows, and how many of them others hold.

    Exit codes: 0 current, or ahead but compatible; 3 behind; 4 incompatible; 1 unknown.
    """
    from bookstore_api.shop.domains import self_test  # noqa: PLC0415 - it takes time to load

    async def work(settings: Settings) -> CommandResult:
        async with open_direct_database(settings) as database:
            result = await check.check_schema(database, self_test)
            if result.schema_after is None:  # the database does not answer
                return result
            async with database.health_connection() as connection:
                capacity = await read_capacity(connection)
            return replace(result, details={"connections": capacity}) if capacity else result

    run_command(
        "check-schema", lambda settings: run_interruptible(work(settings)), enforced=OF_THE_DATABASE
    )
