"""The stages of a release, in order: the one list of them, as data.

A stage's code is in releases/stages/, in the file that bears its name. Serving, conditions, events
and `make demo` read this list, so that a new stage is a line here and a file there.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel
from pydantic.alias_generators import to_snake


@dataclass(frozen=True, slots=True)
class Stage:
    """What everybody but the stage itself has to know of it."""

    name: str
    """As `status.stage` of a release has it."""
    sentence: str
    """What is true when it has passed, for people."""
    needs_idle_color: bool = False
    """The release's Pods run on the idle color, so its Deployment must not be scaled to 0."""
    touches_database: bool = False
    """It changes the schema."""
    deadline: str | None = None
    """The field of the spec that says how long it may take, in seconds; no limit if None."""

    @property
    def module(self) -> str:
        """The name of its file in releases/stages/ and of its function there."""
        return to_snake(self.name)

    def deadline_seconds(self, spec: BaseModel) -> int | None:
        """Return how long it may take by a BookStore's spec; None if there is no limit."""
        value: object = spec
        for field in self.deadline.split(".") if self.deadline else ():
            value = getattr(value, to_snake(field))
        return value if isinstance(value, int) else None


STAGES: tuple[Stage, ...] = (
    Stage("Expand", "the database is up and its schema migrated", touches_database=True),
    Stage(
        "Start",
        "the idle color is up at the live size",
        needs_idle_color=True,
        deadline="rollout.progressDeadlineSeconds",
    ),
    Stage(
        "Switch",
        "the Service selects the new color",
        needs_idle_color=True,
        deadline="rollout.progressDeadlineSeconds",
    ),
    # From here on the release's color is the active one; the old one is kept warm by history.py.
    Stage("Drain", "the old color is given up"),
)


def find_stage(name: str | None) -> Stage | None:
    """Return a stage by its name; None before the first and for one of a newer operator."""
    return next((stage for stage in STAGES if stage.name == name), None)


def stages_from(name: str | None) -> tuple[Stage, ...]:
    """Return a stage and those behind it; all of them if it is None, before the first.

    Raises:
        ValueError: only a newer operator knows such a stage.

    """
    if name is None:
        return STAGES
    stage = find_stage(name)
    if stage is None:
        message = f"stage {name} is not one of this operator's, but of a newer one"
        raise ValueError(message)
    return STAGES[STAGES.index(stage) :]


def stages_until_switch() -> tuple[Stage, ...]:
    """Return the stages that a release passes before users are sent to it."""
    last = max(index for index, stage in enumerate(STAGES) if stage.needs_idle_color)
    return STAGES[: last + 1]


def needs_idle_color(name: str | None) -> bool:
    """Whether a release that is at this stage has its Pods on the idle color.

    Of a stage that only a newer operator knows it is assumed.
    """
    stage = find_stage(name)
    return stage.needs_idle_color if stage else name is not None


def is_expanded(name: str | None) -> bool:
    """Whether a release that is at this stage has the schema that its code needs.

    It has when every stage is behind it that touches the database before the code is started.
    """
    if name is None:
        return False
    stage = find_stage(name)
    first = next(index for index, stage in enumerate(STAGES) if stage.needs_idle_color)
    ahead = STAGES[STAGES.index(stage) : first] if stage else ()
    return not any(stage.touches_database for stage in ahead)
