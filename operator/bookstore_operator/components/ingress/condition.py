"""Whether what exposes the API has an address. No release waits for it."""

from datetime import datetime, timedelta

from bookstore_operator.components.ingress.addresses import exposing, of
from bookstore_operator.core.finding import Finding, fails, holds, unknown
from bookstore_operator.core.gate import Answer
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.status import EXPOSED, ConditionStatus
from bookstore_operator.workloads.thresholds import due_at

_HOST_CHECKED = timedelta(seconds=30)
"""Nothing tells a BookStore that another one has given up a host."""


def exposed(snapshot: Snapshot, visit: Visit, _answer: Answer) -> Finding:
    """Return the Exposed condition: whether the Ingress and the load balancer have addresses."""
    if snapshot.host_taken_by:
        return fails(EXPOSED, Reason.HOST_CONFLICT, _conflict(snapshot))
    objects = exposing(snapshot)
    if not objects:
        message = "Neither spec.ingress nor spec.service.type LoadBalancer is set."
        return unknown(EXPOSED, Reason.NOT_CONFIGURED, message)
    if absent := [name for name, manifest in objects.items() if manifest is None]:
        message = f"{absent[0]} does not exist yet."
        return unknown(EXPOSED, Reason.WAITING_FOR_ADDRESS, message)
    found = {name: of(manifest) for name, manifest in objects.items() if manifest}
    if all(found.values()):
        listed = "; ".join(f"{name}: {', '.join(sorted(own))}" for name, own in found.items())
        return holds(EXPOSED, Reason.ADDRESS_ASSIGNED, f"{listed}.")
    return _without_address(snapshot, visit, [name for name, own in found.items() if not own])


def look_again(snapshot: Snapshot, visit: Visit) -> datetime | None:
    """Return when to ask again for the host, or when a missing address becomes a problem."""
    if snapshot.host_taken_by:
        return visit.now + _HOST_CHECKED
    objects = exposing(snapshot)
    if not objects or all(manifest and of(manifest) for manifest in objects.values()):
        return None
    due = due_at(Reason.NO_ADDRESS, _waiting_since(snapshot) or visit.now)
    return due if due and visit.now < due else None


def _without_address(snapshot: Snapshot, visit: Visit, missing: list[str]) -> Finding:
    names = " and ".join(missing)
    if look_again(snapshot, visit):
        message = f"Waiting for the address of {names}."
        return fails(EXPOSED, Reason.WAITING_FOR_ADDRESS, message)
    message = (
        f"{names}: no controller has reported an address. Check spec.ingress.className or "
        "spec.service.loadBalancerClass, and that the controller runs: kubectl get ingressclass; "
        f"kubectl describe {missing[0].lower()}."
    )
    return fails(EXPOSED, Reason.NO_ADDRESS, message)


def _waiting_since(snapshot: Snapshot) -> datetime | None:
    """Return since when it was reported that there is no address; None if it was not."""
    reported = (c for c in snapshot.store.status.conditions if c.type == EXPOSED)
    condition = next(reported, None)
    if condition is None or condition.status is not ConditionStatus.FALSE:
        return None
    return condition.last_transition_time


def _conflict(snapshot: Snapshot) -> str:
    ingress = snapshot.store.spec.ingress
    route = f"{ingress.host}{ingress.path}" if ingress else ""
    return (
        f"The host and path {route} belong to {snapshot.host_taken_by}, so the Ingress is not "
        "created or changed. Choose others in spec.ingress, or remove them there."
    )
