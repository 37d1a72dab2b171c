"""The command line: the commands in the order of `--help`."""

from typing import Any

import typer

from kubectl_bookstore import __version__
from kubectl_bookstore.commands import (
    backups,
    change,
    drill,
    history,
    keys,
    plan,
    promotion,
    report,
    restore,
    status,
    why,
)
from kubectl_bookstore.options import command
from kubectl_bookstore.output import say

app = typer.Typer(
    name="kubectl bookstore",
    no_args_is_help=True,
    add_completion=False,  # kubectl asks kubectl_complete-bookstore
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes and examples: docs/reference/kubectl-bookstore.md.",
)


def _version(value: bool) -> None:
    if value:
        say(f"kubectl-bookstore {__version__}")
        raise typer.Exit


@app.callback()
def main(
    *,
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """See and steer BookStores, on the operator's own decisions."""
    del version


for function in (
    status.status,
    why.why,
    report.report,
    plan.plan,
    history.history,
    promotion.approve,
    change.abort,
    change.retry,
    promotion.rollback,
    change.pause,
    change.resume,
    backups.backup,
    backups.backups,
    backups.verify,
    drill.drill,
    restore.restore,
    keys.rotate_keys,
):
    first_line = (function.__doc__ or "").partition("\n")[0]
    app.command(function.__name__.replace("_", "-"), short_help=first_line)(command(function))


def command_tree() -> Any:
    """Return the commands with their parameters, for completion."""
    return typer.main.get_command(app)
