"""One reconciliation of a BookStore: its time, and the answers of its gates."""

from datetime import datetime

from bookstore_operator.core import history
from bookstore_operator.core.gate import Answer, Gate
from bookstore_operator.core.snapshot import Snapshot


class Visit:
    """Evaluates each gate once, for the stages, the conditions and the time of the next visit.

    A gate depends on what was observed, which does not change during a visit, and on the newest and
    the active release. It is evaluated again if one of these is another one after a step.
    """

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._answers: dict[tuple[Gate, str | None, str | None], Answer] = {}

    def ask(self, gate: Gate, snapshot: Snapshot) -> Answer:
        """Return a gate's answer."""
        newest, active = history.newest(snapshot), history.active(snapshot)
        key = (gate, newest.name if newest else None, active.name if active else None)
        if key not in self._answers:
            self._answers[key] = gate(snapshot, self.now)
        return self._answers[key]
