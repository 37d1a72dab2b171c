"""One look at a BookStore: its time, and what its gates have answered."""

from __future__ import annotations

from datetime import datetime

from bookstore_operator.core import history
from bookstore_operator.core.gate import Answer, Gate
from bookstore_operator.core.snapshot import Snapshot


class Visit:
    """Evaluates each gate once, for the stages, the conditions and the time of the next look.

    A gate is about what was observed, which stays the same, and about the newest and the active
    release: where another one is newest or active after a step, it is evaluated again.
    """

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._answers: dict[tuple[Gate, str | None, str | None], Answer] = {}

    def ask(self, gate: Gate, snapshot: Snapshot) -> Answer:
        """Return a gate's answer."""
        newest, active = history.newest(snapshot), history.active(snapshot)
        asked = (gate, newest.name if newest else None, active.name if active else None)
        if asked not in self._answers:
            self._answers[asked] = gate(snapshot, self.now)
        return self._answers[asked]
