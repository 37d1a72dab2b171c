"""Whether users are served, and whether the autoscaler knows the load."""

from __future__ import annotations

from datetime import datetime, timedelta

from bookstore_operator.components.serving.availability import problem_of, status_of
from bookstore_operator.components.serving.gate import switched
from bookstore_operator.components.serving.replicas import live_size
from bookstore_operator.core import history, names
from bookstore_operator.core.finding import Finding, fails, holds, unknown
from bookstore_operator.core.gate import Answer, Passed
from bookstore_operator.core.kinds import AUTOSCALERS
from bookstore_operator.core.lookup import condition, find
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.status import AUTOSCALING_HEALTHY, AVAILABLE
from bookstore_operator.workloads import pod_problems

METRICS_PATIENCE = timedelta(minutes=1)
"""How long metrics of new Pods may take."""


def metrics_awaited(snapshot: Snapshot, visit: Visit) -> datetime | None:
    """Return until when the autoscaler may go without metrics before that is a problem."""
    since = _without_metrics_since(snapshot)
    return since + METRICS_PATIENCE if since and visit.now < since + METRICS_PATIENCE else None


def users_served(snapshot: Snapshot, visit: Visit, _answer: Answer) -> Finding:
    """Find whether users are served."""
    active = history.active(snapshot)
    if active is None:
        return fails(AVAILABLE, Reason.NOT_PROMOTED, "No release has been promoted yet.")
    if not isinstance(visit.ask(switched, snapshot), Passed):
        return fails(
            AVAILABLE, Reason.NOT_SWITCHED, "The active Service does not select what serves."
        )
    count = status_of(snapshot, active).get("availableReplicas", 0)
    if count:
        told = f"Revision {active.spec.revision} ({active.spec.color.value}) serves users."
        return holds(AVAILABLE, Reason.SERVING, told)
    if live_size(snapshot) == 0:
        return fails(AVAILABLE, Reason.SCALED_TO_ZERO, "spec.replicas is 0: nothing serves.")
    told = "No Pod of the active color is available."
    problem = problem_of(snapshot, active)
    reason = pod_problems.reason_or(Reason.NO_POD_AVAILABLE, problem)
    return fails(AVAILABLE, reason, pod_problems.append_problem(told, problem))


def autoscaling_healthy(snapshot: Snapshot, visit: Visit, _answer: Answer) -> Finding:
    """Find whether the autoscaler knows the load."""
    if snapshot.store.spec.autoscaling is None:
        told = "spec.autoscaling is not set."
        return unknown(AUTOSCALING_HEALTHY, Reason.NOT_CONFIGURED, told)
    name = names.service(snapshot.store.name)
    if _without_metrics_since(snapshot) is None:
        known = condition(_autoscaler(snapshot), "ScalingActive")
        if known:
            told = f"HorizontalPodAutoscaler {name} knows the load."
            return holds(AUTOSCALING_HEALTHY, Reason.METRICS_KNOWN, told)
        told = f"Waiting for HorizontalPodAutoscaler {name} to look at the load."
        return unknown(AUTOSCALING_HEALTHY, Reason.WAITING_FOR_METRICS, told)
    cause = _scaling_active(snapshot).get("message", "no reason told").rstrip(".")
    told = (
        f"HorizontalPodAutoscaler {name} does not know the load: {cause}. "
        "The number of Pods stays as it is. See that the metrics server runs (kubectl top pods) "
        "and spec.resources.requests.cpu is set, or give spec.replicas instead."
    )
    if metrics_awaited(snapshot, visit):
        return unknown(AUTOSCALING_HEALTHY, Reason.WAITING_FOR_METRICS, told)
    return fails(AUTOSCALING_HEALTHY, Reason.NO_METRICS, told)


def _without_metrics_since(snapshot: Snapshot) -> datetime | None:
    """Return since when the autoscaler has no metrics, if that is so and it has Pods at all."""
    active = _scaling_active(snapshot)
    if active.get("status") != "False" or active.get("reason") == "ScalingDisabled":
        return None
    return datetime.fromisoformat(active["lastTransitionTime"])


def _scaling_active(snapshot: Snapshot) -> Manifest:
    found = _autoscaler(snapshot).get("status", {}).get("conditions") or ()
    return next((each for each in found if each["type"] == "ScalingActive"), {})


def _autoscaler(snapshot: Snapshot) -> Manifest:
    name = names.service(snapshot.store.name)
    return find(snapshot, AUTOSCALERS, name) or {}
