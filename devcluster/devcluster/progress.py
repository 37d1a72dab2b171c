"""What a person sees while something takes long.

On a terminal: one live line with a spinner, the time so far, the expected time and the last
detail. Elsewhere (a log, CI): a line at the start, one every half minute, one at the end.

    with step("Building the Kubernetes programs", expected_seconds=300) as running:
        running.update("1200 of 2900 packages")
"""

import contextlib
import threading
import time
from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

# Standard error: standard output is for results that programs read (`devcluster kubeconfig`).
console = Console(stderr=True, highlight=False)

_PLAIN_INTERVAL_SECONDS = 30.0
_DETAIL_WIDTH = 60


class Step:
    """A long step under way. `update` may be called from any thread, as often as one likes."""

    def __init__(self, title: str, expected_seconds: float | None) -> None:
        self.title = title
        self.expected_seconds = expected_seconds
        self.detail = ""
        self._began = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the step began."""
        return time.monotonic() - self._began

    def update(self, detail: str) -> None:
        """Say what is happening now, in a few words."""
        self.detail = " ".join(detail.split())

    def line(self) -> str:
        """Return title, times and detail in one line."""
        times = duration(self.elapsed)
        if self.expected_seconds:
            times += f" of about {duration(self.expected_seconds)}"
        detail = self.detail
        if len(detail) > _DETAIL_WIDTH:
            detail = f"{detail[: _DETAIL_WIDTH - 1]}…"
        return f"{self.title}  {times}" + (f"  {detail}" if detail else "")

    def __rich__(self) -> Text:
        """Return the live line, at each refresh."""
        return Text(self.line(), no_wrap=True, overflow="ellipsis")


@contextlib.contextmanager
def step(title: str, expected_seconds: float | None = None) -> Iterator[Step]:
    """Show a long step for the block; the last line says how it ended and how long it took."""
    running = Step(title, expected_seconds)
    mark = ("✗ ", "red")
    try:
        with console.status(running) if console.is_terminal else _plain(running):
            yield running
        mark = ("✓ ", "green")
    finally:
        console.print(Text.assemble(mark, f"{title}  {duration(running.elapsed)}"))


def say(message: str) -> None:
    """Print one line for people."""
    console.print(Text(message), soft_wrap=True)


def warn(message: str) -> None:
    """Print one line that people should not miss."""
    console.print(Text.assemble(("! ", "yellow"), message), soft_wrap=True)


def duration(seconds: float) -> str:
    """Return a time as people say it: `0.4 s`, `12 s`, `5 min 3 s`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return " ".join(f"{n} {unit}" for n, unit in ((minutes, "min"), (rest, "s")) if n)


@contextlib.contextmanager
def _plain(running: Step) -> Iterator[None]:
    expected = running.expected_seconds
    about = f" (about {duration(expected)})" if expected and expected >= 5 else ""
    say(f"… {running.title}{about}")
    over = threading.Event()

    def report() -> None:
        while not over.wait(_PLAIN_INTERVAL_SECONDS):
            say(f"… {running.line()}")

    reporter = threading.Thread(target=report, name="progress", daemon=True)
    reporter.start()
    try:
        yield
    finally:
        over.set()
        reporter.join()
