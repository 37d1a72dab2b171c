"""What a person sees while something takes long.

On a terminal: one live line with a spinner, the time so far, the time to expect and the last
detail. Elsewhere (a log, CI): a line at the start, one now and then, one at the end.

    with step("Building the Kubernetes programs", expected_seconds=300) as s:
        s.update("1200 of 2900 packages")
"""

import contextlib
import threading
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TaskID
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
        self._detail = ""
        self._began = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the step began."""
        return time.monotonic() - self._began

    @property
    def detail(self) -> str:
        """What was last reported."""
        return self._detail

    def update(self, detail: str) -> None:
        """Say what is happening now, in a few words."""
        self._detail = " ".join(detail.split())

    def line(self) -> str:
        """Title, times and detail in one line."""
        times = duration(self.elapsed)
        if self.expected_seconds:
            times += f" of about {duration(self.expected_seconds)}"
        detail = self._detail
        if len(detail) > _DETAIL_WIDTH:
            detail = f"{detail[: _DETAIL_WIDTH - 1]}…"
        return f"{self.title}  {times}" + (f"  {detail}" if detail else "")


@contextlib.contextmanager
def step(title: str, expected_seconds: float | None = None) -> Iterator[Step]:
    """Show a long step for the block; the last line says how it ended and how long it took."""
    running = Step(title, expected_seconds)
    show = _live if console.is_terminal else _plain
    try:
        with show(running):
            yield running
    except BaseException:
        console.print(Text.assemble(("✗ ", "red"), f"{title}  {duration(running.elapsed)}"))
        raise
    console.print(Text.assemble(("✓ ", "green"), f"{title}  {duration(running.elapsed)}"))


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
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


class _LiveLine(ProgressColumn):
    """The step's own line, computed anew at each refresh."""

    def render(self, task: Task) -> Text:
        running: Step = task.fields["step"]
        return Text(running.line(), no_wrap=True, overflow="ellipsis")


class _Display:
    """The live lines of all steps under way: nested ones and those of other threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._progress: Progress | None = None

    def add(self, running: Step) -> TaskID:
        with self._lock:
            if self._progress is None:
                self._progress = Progress(
                    SpinnerColumn(), _LiveLine(), console=console, transient=True
                )
                self._progress.start()
            return self._progress.add_task(running.title, total=None, step=running)

    def remove(self, task: TaskID) -> None:
        with self._lock:
            if self._progress is None:
                return
            self._progress.remove_task(task)
            if not self._progress.tasks:
                self._progress.stop()
                self._progress = None


_display = _Display()


@contextlib.contextmanager
def _live(running: Step) -> Iterator[None]:
    task = _display.add(running)
    try:
        yield
    finally:
        _display.remove(task)


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
