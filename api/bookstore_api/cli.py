"""The commands of the image, and of a laptop."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import structlog
import typer

from bookstore_api import __version__
from bookstore_api.db.engine import read_address
from bookstore_api.db.schema.tree import Branch
from bookstore_api.db.sessions import Database, open_database
from bookstore_api.process import result as outcomes
from bookstore_api.process import signals
from bookstore_api.process.result import Outcome
from bookstore_api.settings import Environment, Settings, SettingsError, load_settings
from bookstore_api.settings.policy import OF_THE_DATABASE
from bookstore_api.settings.unknown import unknown_variables
from bookstore_api.telemetry.logging import configure_logging, install_excepthooks, schema_text
from bookstore_api.uris.database import SqliteFile

app = typer.Typer(
    name="bookstore-api",
    help="The BookStore API: serve it, bring its database up to date, check that it works.\n\n"
    "On a laptop `bookstore-api serve` needs no settings. In production it is told its database "
    "and its staff token by mounted secrets or variables; `bookstore-api config` shows every "
    "setting, and docs/reference/contract.md explains them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bookstore-api {__version__}")
        raise typer.Exit


@app.callback()
def main(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Serve the BookStore API and look after its database."""


@app.command()
def serve(
    reload: Annotated[
        Path | None,
        typer.Option(
            envvar="BOOKSTORE_RELOAD",
            file_okay=False,
            help="For development: serve a copy of the code in this folder, anew when it changes.",
        ),
    ] = None,
) -> None:
    """Serve the API and, on a port of its own, its health.

    In development the database is a SQLite file in the current folder, made and migrated by
    itself. In production nothing is migrated here: run `bookstore-api migrate` before.

    SIGTERM drains: answers ask clients to leave, then requests in flight are finished, then the
    process ends with 0. A second signal hurries. Ctrl-C in development ends at once.
    """
    settings = _settings()
    configure_logging(settings, stream=sys.stdout)
    install_excepthooks()
    _warn_of_unknown_variables()
    if reload is not None:
        from bookstore_api.process.reload import serve_reloading  # noqa: PLC0415 - only development needs it

        serve_reloading(reload)
        return
    try:
        with signals.interruptible():
            _migrate_development_database(settings)
        _run_server(settings)
    except SettingsError as error:
        _stop(error)
    except KeyboardInterrupt:
        return  # told to stop before anybody was served


@app.command()
def migrate(
    to: Annotated[Branch | None, typer.Option(help="The branch whose head to reach.")] = None,
    down_to: Annotated[
        str | None,
        typer.Option(
            metavar="REVISION",
            help="In development: revert all but this revision and what it requires (base: all).",
        ),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print what would run, run nothing.")
    ] = False,
) -> None:
    """Bring the database's schema to the head of a branch.

    `expand` adds what the code running now tolerates: run it before new code. `contract` removes
    what only the code before needed: run it when none of that runs any more. Many may be started
    at once: one works, the others wait for it and then find nothing to do.

    To take back an image that has expanded, release the older one: it works on the newer schema.
    `--down-to` loses data, and is for writing revisions: in development only.

    Exit codes: 0 done or nothing to do, 1 failed, 75 others hold a lock, try again.
    """
    from bookstore_api.db.schema.migrate import Migration, Reversal  # noqa: PLC0415 - not for serve
    from bookstore_api.db.schema.migrate import migrate as run  # noqa: PLC0415
    from bookstore_api.db.schema.migrate import plan as make_plan  # noqa: PLC0415
    from bookstore_api.shop.domains import self_test  # noqa: PLC0415

    def request(settings: Settings) -> Migration | Reversal:
        if to is not None:
            return Migration(to, settings.migration_lock_seconds)
        if settings.environment is not Environment.DEVELOPMENT:
            msg = (
                "--down-to loses data and is for development only: to take a release back, "
                "release the older image, which works on the newer schema."
            )
            raise SettingsError(msg)
        return Reversal(str(down_to), settings.migration_lock_seconds)

    async def work(settings: Settings) -> Outcome:
        asked = request(settings)
        async with _database(settings) as database:
            if not plan:
                return await run(database, asked, self_test)
            outcome, steps = await make_plan(database, asked)
            for revision in steps:
                typer.echo(f"{revision.id}: {revision.summary}")
            return outcome

    if (to is None) == (down_to is None):
        msg = "say either --to expand, --to contract or --down-to REVISION"
        raise typer.BadParameter(msg)
    _run("migrate", lambda settings: asyncio.run(work(settings)), enforced=OF_THE_DATABASE)


@app.command()
def check_schema() -> None:
    """Tell whether this code works on the database's schema as it is.

    The code's own reads and writes are run in a transaction that is rolled back.

    Exit codes: 0 current, or ahead but compatible; 3 behind; 4 incompatible; 1 could not tell.
    """
    from bookstore_api.db.schema.check import check_schema as run  # noqa: PLC0415 - serve does without
    from bookstore_api.shop.domains import self_test  # noqa: PLC0415

    async def work(settings: Settings) -> Outcome:
        async with _database(settings) as database:
            return await run(database, self_test)

    _run("check-schema", lambda settings: asyncio.run(work(settings)), enforced=OF_THE_DATABASE)


@app.command()
def smoke(
    url: Annotated[str, typer.Option(help="Where the API is, such as http://127.0.0.1:8000.")],
) -> None:
    """Create, read, list, change and delete a book of its own at a running API.

    Writes carry the staff token of these settings, where there is one.

    Exit codes: 0 passed, 1 failed.
    """
    from bookstore_api.smoke import smoke as run  # noqa: PLC0415 - the others do without httpx

    _run("smoke", lambda settings: run(url, settings.staff_token_now()), enforced=())


class Form(StrEnum):
    """How `config` shows settings."""

    TABLE = "table"
    JSON = "json"


@app.command()
def config(
    form: Annotated[Form, typer.Option("--format", help="For people, or for programs.")] = (
        Form.TABLE
    ),
) -> None:
    """Show each setting as it holds, and where its value is from.

    Secrets are masked. What `serve` would refuse is named on standard error, and so are variables
    that look like settings and are none.

    Exit codes: 0 `serve` takes these settings, 1 it refuses them.
    """
    from bookstore_api.settings import load, report  # noqa: PLC0415 - others do without

    reading = load.read()
    assessment = load.assess(reading)
    rows = list(report.rows_of(reading, assessment))
    unknown = unknown_variables(os.environ)
    if form is Form.JSON:
        typer.echo(report.to_json(rows, assessment.wrong, unknown))
    else:
        heads, *lines = report.to_table(rows)
        typer.echo(typer.style(heads, bold=True))  # plain where this is no terminal
        for line in lines:
            typer.echo(line)
    for each in unknown:
        typer.echo(f"bookstore-api: {each}", err=True)
    if assessment.wrong:
        typer.echo(f"bookstore-api: {load.format_errors(assessment)}", err=True)
        raise typer.Exit(1)


@app.command()
def log_schema() -> None:
    """Print the JSON Schema (draft 2020-12) of every log line.

    docs/reference/logs.md explains each field.
    """
    typer.echo(schema_text(), nl=False)


def _settings() -> Settings:
    try:
        return load_settings()
    except SettingsError as error:
        _stop(error)


def _warn_of_unknown_variables() -> None:
    log = structlog.stdlib.get_logger(__name__)
    for each in unknown_variables(os.environ):
        log.warning("unknown setting", variable=each.variable, closest=each.closest)


def _stop(error: SettingsError) -> NoReturn:
    typer.echo(f"bookstore-api: {error}", err=True)
    raise typer.Exit(1) from None


def _run(
    command: str, work: Callable[[Settings], Outcome], *, enforced: Collection[str]
) -> NoReturn:
    """Run a command and tell how it ended, wrong settings included.

    Of what the environment refuses only the settings `enforced` count.
    """
    try:
        with signals.interruptible():
            settings = load_settings(enforced=enforced)
            configure_logging(settings, stream=sys.stderr)
            install_excepthooks()
            _warn_of_unknown_variables()
            outcome = work(settings)
    except SettingsError as error:
        typer.echo(f"bookstore-api: {error}", err=True)
        outcome = Outcome(command, "failed", " ".join(map(str.strip, str(error).splitlines())))
    except KeyboardInterrupt:
        outcome = Outcome(command, "failed", "Told to stop before the end. Run it again.")
    except Exception as error:  # noqa: BLE001 - whoever started this is owed an outcome
        structlog.stdlib.get_logger(__name__).exception("command failed")
        outcome = Outcome(command, "failed", f"A fault of ours: {type(error).__name__}.")
    raise typer.Exit(outcomes.report(outcome))


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    """Open the database past any pooler, with a connection for the lock and one to work with."""
    database = open_database(settings, direct=True, pool_size=2)
    try:
        yield database
    finally:
        await database.close()


def _migrate_development_database(settings: Settings) -> None:
    """Make and update the SQLite file of a laptop; `serve` migrates no other database."""
    address = read_address(settings.database_uri)
    if settings.production or not isinstance(address, SqliteFile):
        return
    from bookstore_api.db.schema.migrate import Migration  # noqa: PLC0415 - production does without
    from bookstore_api.db.schema.migrate import migrate as run  # noqa: PLC0415
    from bookstore_api.shop.domains import self_test  # noqa: PLC0415

    async def work() -> Outcome:
        migration = Migration(Branch.EXPAND, settings.migration_lock_seconds)
        async with _database(settings) as database:
            return await run(database, migration, self_test)

    outcome = asyncio.run(work())
    if outcome.exit_code != 0:
        msg = f"The database {address.path} can't be brought up to date. {outcome.message}"
        raise SettingsError(msg)


def _run_server(settings: Settings) -> None:
    import uvloop  # noqa: PLC0415 - only serve needs them

    from bookstore_api.server import serve as run  # noqa: PLC0415
    from bookstore_api.staff import warn_if_open  # noqa: PLC0415

    warn_if_open(settings)
    uvloop.run(run(settings))


if __name__ == "__main__":
    app()
