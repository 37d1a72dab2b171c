"""The command line: the commands in the order of `--help`."""

from collections.abc import Callable

import typer

from bookstore_backup import __version__
from bookstore_backup.commands import proving, taking
from bookstore_backup.options import Result, command
from bookstore_backup.output import say

app = typer.Typer(
    name="bookstore-backup",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes and examples: docs/reference/bookstore-backup.md.",
)
COMMANDS: dict[str, Callable[..., Result]] = {
    "create": taking.create,
    "verify": proving.verify,
    "list": proving.list_,
    "restore": proving.restore,
    "drill": proving.drill,
    "prune": taking.prune,
    "check-target": taking.check_target,
}


def _version(value: bool) -> None:
    if value:
        say(f"bookstore-backup {__version__}")
        raise typer.Exit


@app.callback()
def main(
    *,
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Take, verify, restore and rehearse backups of a BookStore's database."""
    del version


for name, function in COMMANDS.items():
    first_line = (function.__doc__ or "").partition("\n")[0]
    app.command(name, short_help=first_line)(command(function))
