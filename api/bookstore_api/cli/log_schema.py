"""`bookstore-api log-schema`."""

import typer

from bookstore_api.telemetry.logging import schema_text


def log_schema() -> None:
    """Print the JSON Schema (draft 2020-12) of every log line.

    docs/reference/logs.md explains each field.
    """
    typer.echo(schema_text(), nl=False)
