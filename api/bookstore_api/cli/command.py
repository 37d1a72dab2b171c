"""What commands share: settings, logging, and an outcome whatever happens."""

import os
import sys
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import NoReturn

import structlog
import typer

from bookstore_api.db.sessions import Database, open_database
from bookstore_api.process import signals
from bookstore_api.process.interrupt import LastResort
from bookstore_api.process.result import CommandResult, report
from bookstore_api.settings import Settings, SettingsError, load_settings
from bookstore_api.settings.unknown import unknown_variables
from bookstore_api.telemetry.logging import configure_logging, install_excepthooks

CLOSE_SECONDS = 10.0
"""How long a command may take to end after a signal."""


def run_command(
    command: str, work: Callable[[Settings], CommandResult], *, enforced: Collection[str]
) -> NoReturn:
    """Run a command and tell how it ended, wrong settings included.

    Of what the environment rejects only the settings `enforced` count. After a signal the process
    ends within CLOSE_SECONDS, whatever it waits for.
    """
    last_resort = LastResort(CLOSE_SECONDS, lambda: _give_up(command))
    try:
        with signals.interruptible(on_signal=last_resort.start):
            settings = load_settings(enforced=enforced)
            configure_logging(settings, stream=sys.stderr)
            install_excepthooks()
            warn_of_unknown_variables()
            outcome = work(settings)
    except SettingsError as error:
        typer.echo(f"bookstore-api: {error}", err=True)
        outcome = CommandResult(
            command, "failed", " ".join(map(str.strip, str(error).splitlines()))
        )
    except KeyboardInterrupt:
        outcome = CommandResult(command, "failed", "Interrupted before the end. Run it again.")
    except Exception as error:  # noqa: BLE001 - whoever started this is owed an outcome
        structlog.stdlib.get_logger(__name__).exception("command failed")
        outcome = CommandResult(command, "failed", f"Internal error: {type(error).__name__}.")
    last_resort.cancel()
    raise typer.Exit(report(outcome))


def _give_up(command: str) -> int:
    """Tell that the process ended before its work did."""
    message = f"Interrupted, and did not end within {CLOSE_SECONDS:.0f} s. Run it again."
    code = report(CommandResult(command, "failed", message))
    sys.stdout.flush()
    return code


def warn_of_unknown_variables() -> None:
    """Log each variable that looks like a setting and is none."""
    log = structlog.stdlib.get_logger(__name__)
    for unknown in unknown_variables(os.environ):
        log.warning("unknown setting", variable=unknown.variable, closest=unknown.closest)


@asynccontextmanager
async def open_direct_database(settings: Settings) -> AsyncIterator[Database]:
    """Open the database past any pooler, with a connection for the lock and one to work with."""
    database = open_database(settings, direct=True, pool_size=2)
    try:
        yield database
    finally:
        await database.close()
