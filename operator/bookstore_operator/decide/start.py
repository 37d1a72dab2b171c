"""Stage Start: run the new code on the idle colour, at the size of what serves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from bookstore_operator.build.deployment import deployment
from bookstore_operator.core import names
from bookstore_operator.core.ensure import desired
from bookstore_operator.core.gate import Passed, Waiting
from bookstore_operator.core.plan import Action, Scale
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.release import BookStoreRelease, Colour
from bookstore_operator.decide.progress import Progress
from bookstore_operator.facts.replicas import live_size, size
from bookstore_operator.gates.colour import colour_available


def start(snapshot: Snapshot, release: BookStoreRelease, now: datetime) -> Progress:
    """Wait for the idle colour to run the release's Pods, all available."""
    name = names.deployment(snapshot.store.name, release.spec.colour)
    applies = tuple(desired(snapshot, deployment(snapshot.store, release)))
    scales = tuple(scaled(snapshot, release.spec.colour, live_size(snapshot), "as what serves"))
    answer = colour_available(snapshot, now)
    if isinstance(answer, Passed) and applies:
        answer = Waiting(Reason.STARTING, f"Waiting for Deployment {name} to run the release.")
    return Progress(snapshot, answer, (*applies, *scales))


def scaled(snapshot: Snapshot, colour: Colour, wanted: int, why: str) -> Iterator[Action]:
    """Yield the scaling of a colour that has another size. A new Deployment begins with 1."""
    now = size(snapshot, colour)
    if (1 if now is None else now) != wanted:
        name = names.deployment(snapshot.store.name, colour)
        yield Scale(name, wanted, "Scale", f"Deployment {name} to {wanted} replicas, {why}.")
