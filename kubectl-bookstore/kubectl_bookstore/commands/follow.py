"""Follow one object until it has an ending: progress on long work, and a time limit."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from bookstore_operator.core.plan import Manifest
from kubectl_bookstore.cluster.kubectl import KubectlError
from kubectl_bookstore.commands.look import POLL_SECONDS
from kubectl_bookstore.errors import ExitCode, PluginError
from kubectl_bookstore.output import Format, note, say
from kubectl_bookstore.views.backups import Progress


def follow(
    read: Callable[[], Manifest],
    progress: Callable[[Manifest], Progress],
    seconds: int,
    form: Format,
    what: str,
) -> tuple[Manifest, ExitCode]:
    """Read an object again and again until it has ended; print what changes meanwhile.

    Args:
        read: returns the object.
        progress: returns how far it is.
        seconds: the most time to wait.
        form: only text shows what changes.
        what: names it in the error.

    Raises:
        PluginError: the time is over, or `read` raises it for another cause than a cluster that is
            away for a while.

    """
    deadline = time.monotonic() + seconds
    shown = ""
    while True:
        try:
            manifest = read()
            current = progress(manifest)
        except KubectlError as error:
            if error.reason != "Unreachable":
                raise
            current = Progress(f"{error}\nStill waiting for it.", None)
            if current.line != shown:
                note(current.line)
        else:
            if current.line != shown and form is Format.TEXT:
                say(f"{datetime.now(UTC):%H:%M:%S}Z {current.line}")
            if current.code is not None:
                return manifest, current.code
        shown = current.line
        if time.monotonic() >= deadline:
            message = f"{what} is not done after {seconds} s. It goes on in the cluster."
            raise PluginError(message, ExitCode.TIMED_OUT)
        time.sleep(POLL_SECONDS)
