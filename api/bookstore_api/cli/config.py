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
    output: Annotated[OutputFormat, typer.Option("--format", help="Output format.")] = (
        OutputFormat.TABLE
    ),
) -> None:
    """Show the value of each setting and its source.

    Secrets are masked. Settings that `serve` rejects are listed on standard error, and so are
    variables with the prefix BOOKSTORE_ that are not settings.

    Exit codes: 0 `serve` accepts the settings, 1 it rejects them.
    """
    values = load.read_sources()
    assessment = load.assess(values)
    rows = list(report.rows_of(values, assessment))
    unknown = unknown_variables(os.environ)
    if output is OutputFormat.JSON:
        typer.echo(report.to_json(rows, assessment.invalid, unknown))
    else:
        headings, *lines = report.to_table(rows)
        typer.echo(typer.style(headings, bold=True))  # plain where this is no terminal
        for line in lines:
            typer.echo(line)
    for variable in unknown:
        typer.echo(f"bookstore-api: {variable}", err=True)
    if assessment.invalid:
        typer.echo(f"bookstore-api: {load.format_errors(assessment)}", err=True)
        raise typer.Exit(1)
