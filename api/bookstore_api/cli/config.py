"""`bookstore-api config`."""

import os
from enum import StrEnum
from typing import Annotated

import typer

from bookstore_api.settings import load, report
from bookstore_api.settings.unknown import unknown_variables


class OutputFormat(StrEnum):
    """How `config` shows settings."""

    TABLE = "table"
    JSON = "json"


def config(
    form: Annotated[OutputFormat, typer.Option("--format", help="For people, or for programs.")] = (
        OutputFormat.TABLE
    ),
) -> None:
    """Show each setting as it holds, and where its value is from.

    Secrets are masked. What `serve` would reject is named on standard error, and so are variables
    that look like settings and are none.

    Exit codes: 0 `serve` takes these settings, 1 it rejects them.
    """
    found = load.read()
    assessment = load.assess(found)
    rows = list(report.rows_of(found, assessment))
    unknown = unknown_variables(os.environ)
    if form is OutputFormat.JSON:
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
