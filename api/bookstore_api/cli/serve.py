"""`bookstore-api serve`: puts the two apps and the server together."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import structlog
import typer

from bookstore_api.cli.command import CLOSE_SECONDS, open_direct_database, warn_of_unknown_variables
from bookstore_api.db.engine import read_address
from bookstore_api.db.schema.migrate import Migration, migrate
from bookstore_api.db.schema.tree import Branch
from bookstore_api.process import open_files, signals
from bookstore_api.process.interrupt import LastResort, run_interruptible
from bookstore_api.process.reload import serve_reloading
from bookstore_api.process.result import CommandResult
from bookstore_api.settings import Settings, SettingsError, load_settings
from bookstore_api.telemetry.logging import configure_logging, install_excepthooks
from bookstore_api.uris.database import SqliteFile

log = structlog.stdlib.get_logger(__name__)


def serve(
    reload: Annotated[
        Path | None,
        typer.Option(
            envvar="BOOKSTORE_RELOAD",
            file_okay=False,
            help="For development: serve a copy of the code in this folder; restart on changes.",
        ),
    ] = None,
) -> None:
    """Serve the API and, on another port, its health and metrics.

    In development, the default database is a SQLite file in the current folder, which is created
    and migrated automatically. Any other database must be migrated first: run `bookstore-api
    migrate --to expand`.

    SIGTERM starts the drain: answers get `Connection: close`, then requests in flight are
    completed, then the process exits with code 0. A second signal ends the process at once. In
    development, so does the first Ctrl-C.
    """
    try:
        settings = load_settings()
    except SettingsError as error:
        _stop(error)
    configure_logging(settings, stream=sys.stdout)
    install_excepthooks()
    warn_of_unknown_variables()
    if reload is not None:
        serve_reloading(reload)
        return
    open_files.raise_limit()
    seconds = settings.drain_seconds + settings.shutdown_seconds + CLOSE_SECONDS
    last_resort = LastResort(seconds, _give_up)
    try:
        with signals.interruptible(on_signal=LastResort(CLOSE_SECONDS, _give_up).start):
            _migrate_development_database(settings)
        _run_server(settings, last_resort)
    except SettingsError as error:
        _stop(error)
    except KeyboardInterrupt:
        return  # a signal came before the first request


def _migrate_development_database(settings: Settings) -> None:
    """Make and update the SQLite file of a laptop; `serve` migrates no other database."""
    address = read_address(settings.database_uri)
    if settings.production or not isinstance(address, SqliteFile):
        return
    from bookstore_api.shop.domains import self_test  # noqa: PLC0415 - it takes time to load

    async def work() -> CommandResult:
        migration = Migration(Branch.EXPAND, settings.migration_lock_seconds)
        async with open_direct_database(settings) as database:
            return await migrate(database, migration, self_test)

    outcome = run_interruptible(work())
    if outcome.exit_code != 0:
        msg = f"The database {address.path} can't be brought up to date. {outcome.message}"
        raise SettingsError(msg)


def _give_up() -> int:
    log.warning("stopped before everything was closed")
    return 0


def _run_server(settings: Settings, last_resort: LastResort) -> None:
    import uvloop  # noqa: PLC0415 - the other commands do without

    from bookstore_api.auth.staff import warn_if_open  # noqa: PLC0415

    warn_if_open(settings)
    uvloop.run(_serve(settings, last_resort))


async def _serve(settings: Settings, last_resort: LastResort) -> None:
    """Open what the apps share, and serve both until a signal comes; raises SettingsError."""
    from bookstore_api.app import create_app  # noqa: PLC0415 - the other commands do without
    from bookstore_api.shop.domains import self_test  # noqa: PLC0415
    from bookstore_api.web.internal_app import create_internal_app  # noqa: PLC0415
    from bookstore_api.web.resources import open_resources  # noqa: PLC0415
    from bookstore_api.web.server.serve import StopRequests, serve_both  # noqa: PLC0415

    requests = StopRequests(on_stop=last_resort.start)
    requests.listen(patient=settings.production)
    if signals.kept():
        log.info("stopped before it served")
        return
    async with open_resources(settings, self_test) as resources:
        await serve_both(
            create_app(resources),
            create_internal_app(resources),
            settings,
            resources.drain,
            requests,
        )


def _stop(error: SettingsError) -> NoReturn:
    typer.echo(f"bookstore-api: {error}", err=True)
    raise typer.Exit(1) from None
