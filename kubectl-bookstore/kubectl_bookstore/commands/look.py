"""What several commands do: look at a BookStore now, and follow it until it is done."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from kubectl_bookstore.cluster.kubectl import Kubectl, KubectlError
from kubectl_bookstore.cluster.observe import find_store, observe
from kubectl_bookstore.errors import ExitCode, PluginError
from kubectl_bookstore.output import Format, note, say
from kubectl_bookstore.views.evaluate import Evaluation, evaluate_snapshot
from kubectl_bookstore.views.observation import Observation
from kubectl_bookstore.views.outcome import is_observed
from kubectl_bookstore.views.status import StoreView, view_of
from kubectl_bookstore.views.text import clean

POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Look:
    """A BookStore at one time."""

    at: datetime
    observation: Observation
    evaluation: Evaluation
    view: StoreView


def look(kubectl: Kubectl, name: str | None) -> Look:
    """Read a BookStore and decide about it as the operator does."""
    now = datetime.now(UTC)
    observation = observe(kubectl, find_store(kubectl, name), now)
    evaluation = evaluate_snapshot(observation.snapshot, now)
    return Look(now, observation, evaluation, view_of(observation, evaluation))


def looks(kubectl: Kubectl, name: str | None) -> Iterator[Look]:
    """Yield a BookStore's state again and again, the last known one while the cluster is away."""
    current = look(kubectl, name)
    away = False
    while True:
        yield current
        time.sleep(POLL_SECONDS)
        try:
            current = look(kubectl, name)
            away = False
        except KubectlError as error:
            if error.reason != "Unreachable":
                raise
            if not away:
                note(f"{error}\nStill waiting for it.")
            away = True


def wait_until(
    kubectl: Kubectl,
    name: str,
    seconds: int,
    form: Format,
    ending: Callable[[Look], ExitCode | None],
) -> tuple[Look, ExitCode]:
    """Follow a BookStore until it has an ending; print what changes meanwhile.

    That it waits for a person must be seen twice in a row: its objects are not read in one moment,
    so the report of a failure can be newer than the release that failed.

    Args:
        kubectl: reaches the cluster.
        name: names the BookStore.
        seconds: the most time to wait.
        form: only text shows what changes.
        ending: returns the exit code once the wait is over; None before.

    Raises:
        PluginError: the time is over.

    """
    deadline = time.monotonic() + seconds
    shown, before = "", None
    for current in looks(kubectl, name):
        line = progress_line(current.view)
        if line != shown and form is Format.TEXT:
            say(f"{current.at:%H:%M:%S}Z {line}")
            shown = line
        code = ending(current)
        if code is not None and (code is not ExitCode.PERSON or before is code):
            return current, code
        before = code
        if time.monotonic() >= deadline:
            break
    message = (
        f"BookStore {name} is not done after {seconds} s. The operator goes on; "
        f"see kubectl bookstore why {name}."
    )
    raise PluginError(message, ExitCode.TIMED_OUT)


def done(current: Look) -> ExitCode | None:
    """Return how a BookStore ended; None while it is in progress.

    Nothing is taken for a result before the operator has seen the current spec, except that it is
    paused: an operator that is not running can't see a pause.
    """
    if current.view.paused or is_observed(current.observation.snapshot):
        return current.view.outcome.exit_code
    return None


def progress_line(view: StoreView) -> str:
    """Return the state as one line that changes only when the state does."""
    release = view.releases[0] if view.releases else None
    where = f"{release.name} {release.result or release.stage or ''} " if release else ""
    return f"{view.name}: {where}{view.outcome}: {view.reason}: {clean(view.message)}"
