"""The commands of the image, and of a laptop: a file each."""

from typing import Annotated

import typer

from bookstore_api import __version__
from bookstore_api.cli import (
    check_schema,
    config,
    contract,
    create_admin,
    export_books,
    import_books,
    log_schema,
    maintain,
    migrate,
    seed,
    serve,
    smoke,
)

app = typer.Typer(
    name="bookstore-api",
    help="Serve the BookStore API, migrate its database, test a running API.\n\n"
    "In development, `bookstore-api serve` needs no settings. In production, it requires a "
    "database and a staff token, from mounted secrets or environment variables. "
    "`bookstore-api config` shows every setting, and docs/reference/contract.md explains them.",
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


for command in (
    serve.serve,
    migrate.migrate,
    check_schema.check_schema,
    contract.contract,
    smoke.smoke,
    maintain.maintain,
    seed.seed,
    import_books.import_books,
    export_books.export_books,
    config.config,
    create_admin.create_admin,
    log_schema.log_schema,
):
    app.command()(command)
