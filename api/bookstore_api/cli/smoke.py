"""`bookstore-api smoke`."""

from typing import Annotated

import typer

from bookstore_api.cli.command import run_command


def smoke(
    url: Annotated[str, typer.Option(help="The URL of the API, such as http://127.0.0.1:8000.")],
    revision: Annotated[
        str | None, typer.Option(help="The revision that every answer must name.")
    ] = None,
) -> None:
    """Test a running API: create, read, list, change and delete a book.

    Writes send the staff token from the settings, if there is one. Nothing is left behind: what a
    killed smoke test has left, the next one deletes.

    Exit codes: 0 passed, 1 failed.
    """
    from bookstore_api.cli.walk import walk_at  # noqa: PLC0415 - the others do without httpx

    run_command(
        "smoke",
        lambda settings: walk_at(url, settings.secret_now("staff_token"), revision),
        enforced=(),
    )
