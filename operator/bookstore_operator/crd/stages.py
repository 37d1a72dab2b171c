"""The stages of a release, in order: the one list of them, as data.

The code of a stage is in the file of the same name in releases/stages/. Serving, conditions, events
and `make demo` read this list, so a new stage needs one entry here and one file there.
"""

from dataclasses import dataclass

from pydantic import BaseModel
from pydantic.alias_generators import to_snake


@dataclass(frozen=True, slots=True)
class Stage:
    """The properties of a stage that other modules need."""

    name: str
    """The value of a release's `status.stage`."""
    sentence: str
    """What is true when the stage is complete; `make demo` prints it."""
    needs_idle_color: bool = False
    """The release's Pods run on the idle color, so its Deployment must not be scaled to 0."""
    touches_database: bool = False
    """The stage changes the schema."""
    deadline: str | None = None
    """The field of the spec with the stage's time limit in seconds; None: no limit."""

    @property
    def module(self) -> str:
        """The name of the stage's module in releases/stages/ and of the function in it."""
        return to_snake(self.name)

    def deadline_seconds(self, spec: BaseModel) -> int | None:
        """Return the stage's time limit in a BookStore's spec; None if it has no limit."""
        value: object = spec
        for field in self.deadline.split(".") if self.deadline else ():
            value = getattr(value, to_snake(field))
        return value if isinstance(value, int) else None


_PROGRESS = "rollout.progressDeadlineSeconds"

STAGES: tuple[Stage, ...] = (
    Stage("Validate", "the image can be pulled and keeps the contract", deadline=_PROGRESS),
    Stage(
        "Backup",
        "a backup protects the data",
        deadline=_PROGRESS,  # of its waits: a backup has its own
    ),
    Stage(
        "Expand",
        "the database is up and its schema migrated",
        touches_database=True,
        deadline=_PROGRESS,  # of its waits: a migration has its own
    ),
    Stage("Compatible", "the old code works on the new schema", deadline=_PROGRESS),
    Stage("Budget", "both colors fit into the database's connections", deadline=_PROGRESS),
    Stage(
        "Start",
        "the idle color is up at the live size",
        needs_idle_color=True,
        deadline=_PROGRESS,
    ),
    Stage(
        "Verify",
        "the new color works and can be watched",
        needs_idle_color=True,
        deadline=_PROGRESS,
    ),
    Stage("Approve", "the promotion is approved", needs_idle_color=True),
    Stage(
        "Switch",
        "the Service selects the new color",
        needs_idle_color=True,
        deadline=_PROGRESS,
    ),
    # From here on the release's color is the active one; history.py keeps the old one running.
    Stage("Watch", "users are served by the new color as well as before"),
    Stage("Drain", "users have left the old color"),
    Stage("Warm", "the old color is scaled to 0"),
)


def find_stage(name: str | None) -> Stage | None:
    """Return a stage by its name; None for None and for a stage that only a newer operator has."""
    return next((stage for stage in STAGES if stage.name == name), None)


def stages_from(name: str | None) -> tuple[Stage, ...]:
    """Return a stage and those after it; all stages for None, before the first.

    Raises:
        ValueError: this operator has no such stage.

    """
    if name is None:
        return STAGES
    stage = find_stage(name)
    if stage is None:
        message = f"stage {name} is unknown to this operator: a newer one wrote it"
        raise ValueError(message)
    return STAGES[STAGES.index(stage) :]


def stages_until_switch() -> tuple[Stage, ...]:
    """Return the stages before users are sent to a release, up to Switch."""
    last = max(index for index, stage in enumerate(STAGES) if stage.needs_idle_color)
    return STAGES[: last + 1]


def needs_idle_color(name: str | None) -> bool:
    """Whether a release at this stage has its Pods on the idle color.

    True for an unknown stage: a newer operator wrote it, and its Pods must not be scaled to 0.
    """
    stage = find_stage(name)
    return stage.needs_idle_color if stage else name is not None


def precedes_migration(name: str | None) -> bool:
    """Whether a release at this stage has not come to the one that changes the schema."""
    stage = find_stage(name)
    first = next(index for index, stage in enumerate(STAGES) if stage.touches_database)
    return name is None or (stage is not None and STAGES.index(stage) < first)


def is_expanded(name: str | None) -> bool:
    """Whether the schema is migrated for a release at this stage.

    True if all stages are complete that touch the database before the release's Pods start.
    """
    if name is None:
        return False
    stage = find_stage(name)
    first = next(index for index, stage in enumerate(STAGES) if stage.needs_idle_color)
    ahead = STAGES[STAGES.index(stage) : first] if stage else ()
    return not any(stage.touches_database for stage in ahead)
