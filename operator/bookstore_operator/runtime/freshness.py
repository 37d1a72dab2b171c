"""What has to be current before a Plan is executed. Pure."""

from bookstore_operator.core.kinds import JOBS, RELEASES, target_of
from bookstore_operator.core.plan import Create, CreateSecret, Plan

STEP_SECONDS = 3.0
"""A Job's Pod mounts Secrets later than that after they were read."""


def releases_of(plan: Plan) -> frozenset[str]:
    """Return the names of the releases that a Plan writes or deletes."""
    targets = map(target_of, plan.actions)
    return frozenset(target.name for target in targets if target.kind == RELEASES.kind)


def oldest_reading(plan: Plan) -> float | None:
    """Return how old a reading of the Secrets may be, in seconds; None if a Plan needs none.

    They are read live before what can't be undone, and before a record of what they say.
    """
    created = [action for action in plan.actions if isinstance(action, Create | CreateSecret)]
    if plan.irreversible or any(target_of(action).kind != JOBS.kind for action in created):
        return 0.0
    return STEP_SECONDS if created else None
