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
    output: Annotated[
        OutputFormat, typer.Option("--format", help="For people, or for programs.")
    ] = (OutputFormat.TABLE),
) -> None:
    """Show each effective setting, and where its value is from.

    Secrets are masked. What `serve` would reject is named on standard error, and so are variables
    that look like settings and are none.

    Exit codes: 0 `serve` accepts these settings, 1 it rejects them.
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
