"""Write reports no more often than anybody reads them. Pure.

A report is the status of a BookStore, or the message of what a release waits for: nothing is
decided by it. In a release most of them would be outdated a moment later, by the next step or by
the next Pod that is ready, and each is a request that the API server stores and sends to all who
watch. So a report waits

- for the next visit, while visits change other objects;
- if nothing but a message or a count of Pods is new, until the last report is 2 s old.

It waits no longer than 2 s, and not at all before a step that can't be undone, after a failure, or
while the operator can't tell what the next step is. The record of a release, on which the operator
acts, never waits.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from bookstore_operator.core.kinds import BOOKSTORES
from bookstore_operator.core.plan import Action, Manifest, Plan, WriteStatus
from bookstore_operator.core.snapshot import Snapshot

LONGEST_SECONDS = 2.0
_FOR_PEOPLE = frozenset({"reason", "message"})
"""What is not acted on in the status of a release."""
_COUNT = "readyReplicas"


class Paced(NamedTuple):
    """What is written now of a Plan."""

    plan: Plan
    held_seconds: float | None = None
    """In how many seconds the rest is due; None if nothing is held back."""


@dataclass(slots=True)
class Pace:
    """When reports about a BookStore were written or held back, in seconds of one clock."""

    clock: Callable[[], float] = time.monotonic
    held_since: float | None = None
    written_at: float = -math.inf

    def apply(self, plan: Plan, snapshot: Snapshot) -> Paced:
        """Return what to write now of a Plan that was decided by a Snapshot."""
        now = self.clock()
        left = self._seconds_left(plan, snapshot, now)
        if left <= 0:
            self.held_since = None
            if any(isinstance(action, WriteStatus) for action in plan.actions):
                self.written_at = now
            return Paced(plan)
        if self.held_since is None:
            self.held_since = now
        return Paced(_without_report(plan, snapshot), left)

    def _seconds_left(self, plan: Plan, snapshot: Snapshot, now: float) -> float:
        """Return how long the report in a Plan may wait; 0 if it may not, or if there is none."""
        if plan.irreversible or snapshot.rejection or snapshot.blocker:
            return 0.0
        minor = [is_minor(action, snapshot) for action in plan.actions]
        if plan.actions and all(minor):
            return self.written_at + LONGEST_SECONDS - now
        if all(isinstance(action, WriteStatus) for action in plan.actions) or not (
            any(minor) or any(map(is_report, plan.actions))
        ):
            return 0.0
        return (now if self.held_since is None else self.held_since) + LONGEST_SECONDS - now


def is_report(action: Action) -> bool:
    """Whether an action writes the status of a BookStore, which is for people only."""
    return isinstance(action, WriteStatus) and action.key.kind == BOOKSTORES.kind


def is_minor(action: Action, snapshot: Snapshot) -> bool:
    """Whether an action changes no more of a status than a message or a count of Pods."""
    if not isinstance(action, WriteStatus):
        return False
    if is_report(action):
        return _without_texts(action.status) == _without_texts(snapshot.store.status.manifest())
    named = (release for release in snapshot.releases if release.name == action.key.name)
    release = next(named, None)
    return release is not None and record_of(action.status) == record_of(release.status.manifest())


def needs_another_visit(plan: Plan, snapshot: Snapshot) -> bool:
    """Whether a Plan does more than report, so that the next decision may be another one."""
    return not all(is_report(action) or is_minor(action, snapshot) for action in plan.actions)


def record_of(status: Manifest) -> Manifest:
    """Return the part of a release's status that is acted on."""
    return {name: value for name, value in status.items() if name not in _FOR_PEOPLE}


def _without_texts(status: Manifest) -> Mapping[str, Any]:
    """Return a BookStore's status without the messages of its conditions and counts of Pods."""
    conditions = [{**item, "message": ""} for item in status.get("conditions") or ()]
    return {**status, "conditions": conditions, _COUNT: None}


def _without_report(plan: Plan, snapshot: Snapshot) -> Plan:
    """Return a Plan without the writes that wait, and without the events that belong to them."""
    return replace(
        plan,
        actions=tuple(
            action
            for action in plan.actions
            if not is_report(action) and not is_minor(action, snapshot)
        ),
        events=tuple(event for event in plan.events if event not in plan.transitions),
    )
