"""Whether users are served, and whether the autoscaler has metrics."""

from datetime import datetime, timedelta

from bookstore_operator.components.serving.availability import problem_of, status_of
from bookstore_operator.components.serving.gate import switched
from bookstore_operator.components.serving.replicas import live_size
from bookstore_operator.core import history, names
from bookstore_operator.core.finding import Finding, fails, holds, unknown
from bookstore_operator.core.gate import Answer, Passed
from bookstore_operator.core.kinds import AUTOSCALERS
from bookstore_operator.core.lookup import find, find_condition
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.status import AUTOSCALING_HEALTHY, AVAILABLE
from bookstore_operator.workloads import pod_problems

METRICS_PATIENCE = timedelta(minutes=1)
"""How long the autoscaler may be without metrics, as it is after each start of a Pod."""


def metrics_deadline(snapshot: Snapshot, visit: Visit) -> datetime | None:
    """Return when missing metrics become a problem; None if there are metrics or it is past."""
    since = _without_metrics_since(snapshot)
    return since + METRICS_PATIENCE if since and visit.now < since + METRICS_PATIENCE else None


def users_served(snapshot: Snapshot, visit: Visit, _answer: Answer) -> Finding:
    """Return the Available condition: whether users are served."""
    active = history.active(snapshot)
    if active is None:
        return fails(AVAILABLE, Reason.NOT_PROMOTED, "No release has been promoted yet.")
    if not isinstance(visit.ask(switched, snapshot), Passed):
        return fails(
            AVAILABLE, Reason.NOT_SWITCHED, "The Service does not select the active release's Pods."
        )
    count = status_of(snapshot, active).get("availableReplicas", 0)
    if count:
        message = f"Revision {active.spec.revision} ({active.spec.color.value}) serves users."
        return holds(AVAILABLE, Reason.SERVING, message)
    if live_size(snapshot) == 0:
        return fails(AVAILABLE, Reason.SCALED_TO_ZERO, "spec.replicas is 0: no Pod serves.")
    message = "No Pod of the active color is available."
    problem = problem_of(snapshot, active)
    reason = pod_problems.reason_or(Reason.NO_POD_AVAILABLE, problem)
    return fails(AVAILABLE, reason, pod_problems.append_problem(message, problem))


def autoscaling_healthy(snapshot: Snapshot, visit: Visit, _answer: Answer) -> Finding:
    """Return the AutoscalingHealthy condition: whether the autoscaler has metrics."""
    if snapshot.store.spec.autoscaling is None:
        message = "spec.autoscaling is not set."
        return unknown(AUTOSCALING_HEALTHY, Reason.NOT_CONFIGURED, message)
    name = names.service(snapshot.store.name)
    if _scaling_up_disabled(snapshot):
        message = (
            f"HorizontalPodAutoscaler {name} does not scale up: somebody set "
            f"spec.behavior.scaleUp.selectPolicy to Disabled. To resume: kubectl edit hpa {name}."
        )
        return unknown(AUTOSCALING_HEALTHY, Reason.SUSPENDED, message)
    if _without_metrics_since(snapshot) is None:
        if _scaling_active(snapshot).get("status") == "True":
            message = f"HorizontalPodAutoscaler {name} has metrics."
            return holds(AUTOSCALING_HEALTHY, Reason.METRICS_KNOWN, message)
        message = f"Waiting for HorizontalPodAutoscaler {name} to read metrics."
        return unknown(AUTOSCALING_HEALTHY, Reason.WAITING_FOR_METRICS, message)
    cause = _scaling_active(snapshot).get("message", "no reason given").rstrip(".")
    message = (
        f"HorizontalPodAutoscaler {name} has no metrics: {cause}. "
        "The number of Pods stays as it is. Check that the metrics server runs (kubectl top pods) "
        "and that spec.resources.requests.cpu is set, or set spec.replicas instead."
    )
    if metrics_deadline(snapshot, visit):
        return unknown(AUTOSCALING_HEALTHY, Reason.WAITING_FOR_METRICS, message)
    return fails(AUTOSCALING_HEALTHY, Reason.NO_METRICS, message)


def _scaling_up_disabled(snapshot: Snapshot) -> bool:
    autoscaler = find(snapshot, AUTOSCALERS, names.service(snapshot.store.name)) or {"spec": {}}
    up = (autoscaler["spec"].get("behavior") or {}).get("scaleUp") or {}
    return up.get("selectPolicy") == "Disabled"


def _without_metrics_since(snapshot: Snapshot) -> datetime | None:
    """Return since when the autoscaler has no metrics; None if it has, or if there are no Pods."""
    active = _scaling_active(snapshot)
    if active.get("status") != "False" or active.get("reason") == "ScalingDisabled":
        return None
    return datetime.fromisoformat(active["lastTransitionTime"])


def _scaling_active(snapshot: Snapshot) -> Manifest:
    autoscaler = find(snapshot, AUTOSCALERS, names.service(snapshot.store.name)) or {}
    return find_condition(autoscaler, "ScalingActive")
