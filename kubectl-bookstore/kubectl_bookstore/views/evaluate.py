"""Ask the operator's own code what it would do, and keep the answers of its gates. Pure."""

from dataclasses import dataclass
from datetime import datetime

from bookstore_operator.core import history
from bookstore_operator.core.gate import Answer, Gate, Passed
from bookstore_operator.core.plan import Plan
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.decide import evaluate
from bookstore_operator.releases.lifecycle import advance


@dataclass(frozen=True, slots=True)
class GateAnswer:
    """The answer of a gate."""

    gate: str
    stage: str | None
    """The stage that asked it; None if a component did."""
    answer: Answer


class RecordingVisit(Visit):
    """Remembers which gates were asked, at which stage of the release, and what they answered."""

    def __init__(self, now: datetime) -> None:
        super().__init__(now)
        self.asked: dict[tuple[str, str | None], Answer] = {}

    def ask(self, gate: Gate, snapshot: Snapshot) -> Answer:
        """Return a gate's answer."""
        answer = super().ask(gate, snapshot)
        newest = history.newest(snapshot)
        stage = newest.status.stage if newest else None
        self.asked.setdefault((getattr(gate, "__name__", "gate"), stage), answer)
        return answer


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the operator would do now, and why it would do no more."""

    now: datetime
    plan: Plan
    blocking: Answer
    gates: tuple[GateAnswer, ...] = ()
    problem: str = ""
    """Why this plugin can't tell; empty if it can."""

    @property
    def blocking_gate(self) -> GateAnswer | None:
        """The gate whose answer blocks; None if nothing does, or no gate does."""
        if isinstance(self.blocking, Passed):
            return None
        return next((gate for gate in self.gates if gate.answer == self.blocking), None)


def evaluate_snapshot(snapshot: Snapshot, now: datetime) -> Evaluation:
    """Return what the operator would do with a Snapshot."""
    now = now.replace(microsecond=0)
    walking, whole = RecordingVisit(now), RecordingVisit(now)
    try:
        if _walks(snapshot):
            advance(snapshot, walking)  # alone, so that what is asked is asked by stages
        decision = evaluate(snapshot, whole)
    except (ValueError, LookupError) as error:  # written by another version
        problem = f"This version of the plugin can't decide: {error}."
        return Evaluation(now, Plan(), Passed(), problem=problem)
    by_stages = [GateAnswer(name, stage, said) for (name, stage), said in walking.asked.items()]
    names = {gate.gate for gate in by_stages}
    others = [
        GateAnswer(name, None, said) for (name, _), said in whole.asked.items() if name not in names
    ]
    return Evaluation(now, *decision, (*by_stages, *others))


def _walks(snapshot: Snapshot) -> bool:
    """Whether the operator takes a release through its stages."""
    store = snapshot.store
    halted = store.spec.paused or store.metadata.deletion_timestamp or snapshot.blocker
    return not halted
