"""`kubectl bookstore report`: all that helps to explain a BookStore, in one file."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from kubectl_bookstore import __version__
from kubectl_bookstore.archive import write_archive
from kubectl_bookstore.cluster.collect import collect
from kubectl_bookstore.cluster.kubectl import Kubectl
from kubectl_bookstore.cluster.observe import find_store
from kubectl_bookstore.commands.look import look
from kubectl_bookstore.commands.why import lines_of
from kubectl_bookstore.errors import ExitCode, PluginError
from kubectl_bookstore.options import Name
from kubectl_bookstore.output import note, say
from kubectl_bookstore.views.advice import all_advice
from kubectl_bookstore.views.bundle import files_of
from kubectl_bookstore.views.why import why_of

Target = Annotated[
    Path | None,
    typer.Option(
        "--file", help="File to write; default: NAME-report-TIME.tar.gz here.", show_default=False
    ),
]
Lines = Annotated[
    int, typer.Option("--lines", help="Most lines of each log.", min=1, max=1_000_000)
]


def report(
    kubectl: Kubectl, name: Name = None, *, target: Target = None, lines: Lines = 5000
) -> ExitCode:
    """Collect objects, events, logs and metrics of a BookStore in a file, without secrets.

    What you may not read is left out, and named in its README.txt.

    For example:
      kubectl bookstore report demo
      kubectl bookstore report demo --file report.tar.gz --lines 500
    """
    now = datetime.now(UTC).replace(microsecond=0)
    store = find_store(kubectl, name)
    found = store["metadata"]["name"]
    bundle = collect(kubectl.within(store["metadata"]["namespace"]), store, lines)
    bundle.texts["why.txt"] = _why(kubectl, found)
    folder = f"{found}-report-{now:%Y%m%dT%H%M%SZ}"
    path = target or Path(f"{folder}.tar.gz")
    files = files_of(bundle, now.isoformat(), __version__)
    write_archive(path, folder, files, int(now.timestamp()))
    for text in bundle.missing:
        note(f"Note: not in it: {text}")
    say(f"Wrote {path}, {len(files)} files. Look through it before you send it.")
    return ExitCode.DONE


def _why(kubectl: Kubectl, name: str) -> str:
    """Return what `why` says, or why it says nothing: a report is most wanted then."""
    try:
        current = look(kubectl, name)
    except PluginError as error:
        return f"kubectl bookstore why failed: {error}\n"
    why = why_of(current.view, current.observation, all_advice())
    return "\n".join([*lines_of(why), *(f"Note: {text}" for text in why.notes), ""])
