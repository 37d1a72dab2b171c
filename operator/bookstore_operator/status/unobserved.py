"""Report about a BookStore of which no Snapshot could be taken, from its object as it is."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from bookstore_operator.core.finding import Finding, fails, holds
from bookstore_operator.core.gate import Waiting
from bookstore_operator.core.kinds import BOOKSTORES
from bookstore_operator.core.plan import Event, EventType, Manifest, Plan, WriteStatus
from bookstore_operator.core.reasons import Reason
from bookstore_operator.crd.status import READY, RECONCILING, STALLED, Condition


def report_unobserved(manifest: Manifest, answer: Waiting, now: datetime) -> Plan:
    """Return the Plan that writes Ready, Reconciling and Stalled, and keeps the rest of the status.

    The rest is what was true last. A status that says so already is not written again.
    """
    status: Mapping[str, Any] = manifest.get("status") or {}
    before = {item.get("type"): item for item in status.get("conditions") or ()}
    generation = int(manifest["metadata"].get("generation") or 0)
    changed = {
        finding.type: _condition(finding, before.get(finding.type), generation, now)
        for finding in _findings(answer)
    }
    if all(before.get(kind) == condition for kind, condition in changed.items()):
        return Plan()
    key = BOOKSTORES.ref(manifest["metadata"]["name"])
    merged = {**status, "conditions": list({**before, **changed}.values())}
    event = Event(key, EventType.WARNING, answer.reason, f"{READY}: {answer.message}")
    is_new = (before.get(READY) or {}).get("reason") != answer.reason
    return Plan(
        (WriteStatus(key, merged, answer.reason, answer.message),), (event,) if is_new else ()
    )


def _findings(answer: Waiting) -> tuple[Finding, ...]:
    if not answer.stalled:
        return (
            fails(READY, answer.reason, answer.message),
            holds(RECONCILING, answer.reason, answer.message),
            fails(STALLED, Reason.NOT_STALLED, "No intervention is needed."),
        )
    return (
        fails(READY, answer.reason, answer.message),
        fails(RECONCILING, answer.reason, "No progress: see the Stalled condition."),
        holds(STALLED, answer.reason, answer.message),
    )


def _condition(
    finding: Finding, before: Mapping[str, Any] | None, generation: int, now: datetime
) -> dict[str, Any]:
    """Return a condition; its time is that of its last change of status."""
    since = now.replace(microsecond=0)
    try:
        previous = Condition.model_validate(before)
    except ValidationError:
        previous = None
    if previous is not None and previous.status is finding.status:
        since = previous.last_transition_time
    return Condition(
        type=finding.type,
        status=finding.status,
        reason=finding.reason,
        message=finding.message,
        observed_generation=generation,
        last_transition_time=since,
    ).manifest()
