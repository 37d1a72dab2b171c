"""Stage Drain: keep the old colour warm for a while, then give it up."""

from __future__ import annotations

from datetime import datetime

from bookstore_operator.components.serving.gate import switched
from bookstore_operator.core import history
from bookstore_operator.core.gate import Passed
from bookstore_operator.core.history import superseded_active
from bookstore_operator.core.records import recorded
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.release import BookStoreRelease, Verdict
from bookstore_operator.decide.progress import Progress
from bookstore_operator.gates.drain import drained, followed


def drain(snapshot: Snapshot, release: BookStoreRelease, now: datetime) -> Progress:
    """Record the end of the old colour, and with it the success of the release."""
    for gate in (switched, followed):
        answer = gate(snapshot, now)
        if not isinstance(answer, Passed):
            return Progress(snapshot, answer)
    served_at = release.status.served_at or now
    snapshot = recorded(snapshot, release, served_at=served_at)
    answer = drained(snapshot, now)
    if not isinstance(answer, Passed):
        return Progress(snapshot, answer)
    for name in superseded_active(snapshot):
        old = next(other for other in snapshot.releases if other.name == name)
        snapshot = recorded(snapshot, old, demoted_at=now)
    promoted = history.active(snapshot) or release
    return Progress(
        recorded(snapshot, promoted, verdict=Verdict.SUCCEEDED, reason="Succeeded"),
        Passed(),
    )
