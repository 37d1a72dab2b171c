"""Whether users are served, and whether the autoscaler has metrics."""

from datetime import datetime

from bookstore_operator.components.serving.availability import problem_of, status_of
from bookstore_operator.components.serving.gate import switched
from bookstore_operator.components.serving.replicas import live_size
from bookstore_operator.core import history, names
from bookstore_operator.core.finding import Finding, fails, holds, unknown
from bookstore_operator.core.gate import Answer, Passed
from bookstore_operator.core.kinds import AUTOSCALERS, PODS
from bookstore_operator.core.labels import REVISION_LABEL
from bookstore_operator.core.lookup import all_of, find, find_condition, label
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.base import parse_time
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.crd.status import AUTOSCALING_HEALTHY, AVAILABLE
from bookstore_operator.workloads import pod_problems
from bookstore_operator.workloads.endpoints import endpoints
from bookstore_operator.workloads.thresholds import due_at


def metrics_deadline(snapshot: Snapshot, visit: Visit) -> datetime | None:
    """Return when missing metrics become a problem; None if there are metrics or it is past."""
    due = due_at(Reason.NO_METRICS, _without_metrics_since(snapshot))
    return due if due and visit.now < due else None


def users_served(snapshot: Snapshot, visit: Visit, _answer: Answer) -> Finding:
    """Return the Available condition: whether users are served, by whichever release it is.

    In a switch these are the old color's Pods until the endpoints of the Service are the new one's.
    """
    active = history.active(snapshot)
    if active is None:
        return fails(AVAILABLE, Reason.NOT_PROMOTED, "No release has been promoted yet.")
    if serving := _serving(snapshot, active):
        message = f"Revision {serving.spec.revision} ({serving.spec.color.value}) serves users."
        return holds(AVAILABLE, Reason.SERVING, message)
    service = names.service(snapshot.store.name)
    if not isinstance(visit.ask(switched, snapshot), Passed):
        message = f"Service {service} does not select the active release's Pods."
        return fails(AVAILABLE, Reason.NOT_SWITCHED, message)
    if live_size(snapshot) == 0:
        return fails(AVAILABLE, Reason.SCALED_TO_ZERO, "spec.replicas is 0: no Pod serves.")
    if status_of(snapshot, active).get("availableReplicas", 0):
        message = f"The endpoints of Service {service} do not list the active release's Pods yet."
        return fails(AVAILABLE, Reason.NOT_SWITCHED, message)
    message = "No Pod of the active color is available."
    problem = problem_of(snapshot, active, visit.now)
    reason = pod_problems.reason_or(Reason.NO_POD_AVAILABLE, problem)
    return fails(AVAILABLE, reason, pod_problems.append_problem(message, problem))


def _serving(snapshot: Snapshot, active: BookStoreRelease) -> BookStoreRelease | None:
    """Return the release whose Pods the Service routes to, the active one first; None: to none."""
    routed = endpoints(snapshot).ready
    pods = [pod for pod in all_of(snapshot, PODS) if pod["metadata"]["uid"] in routed]
    revisions = {label(pod, REVISION_LABEL) for pod in pods}
    newest_first = (active, *reversed(snapshot.releases))
    return next((r for r in newest_first if str(r.spec.revision) in revisions), None)


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
    return _without_metrics(snapshot, visit, name)


def _without_metrics(snapshot: Snapshot, visit: Visit, name: str) -> Finding:
    """Return what to report of an autoscaler without metrics: a problem only after a while."""
    cause = _scaling_active(snapshot).get("message", "no reason given").rstrip(".")
    message = (
        f"HorizontalPodAutoscaler {name} has no metrics: {cause}. "
        "The number of Pods stays as it is. Check that the metrics server runs (kubectl top pods) "
        "and that spec.resources.requests.cpu is set, or set spec.replicas instead."
    )
    if metrics_deadline(snapshot, visit) is None:
        return fails(AUTOSCALING_HEALTHY, Reason.NO_METRICS, message)
    if _is_retargeted(snapshot):
        message = f"HorizontalPodAutoscaler {name} begins to read the metrics of the new color."
        return holds(AUTOSCALING_HEALTHY, Reason.METRICS_KNOWN, message)
    return unknown(AUTOSCALING_HEALTHY, Reason.WAITING_FOR_METRICS, message)


def _is_retargeted(snapshot: Snapshot) -> bool:
    """Whether the autoscaler had metrics until a switch gave it another color to scale."""
    active, since = history.active(snapshot), _without_metrics_since(snapshot)
    autoscaler = find(snapshot, AUTOSCALERS, names.service(snapshot.store.name)) or {}
    promoted = active.status.promoted_at if active else None
    made = autoscaler.get("metadata", {}).get("creationTimestamp")
    if promoted is None or since is None or made is None:
        return False
    return parse_time(made) < promoted <= since


def _scaling_up_disabled(snapshot: Snapshot) -> bool:
    autoscaler = find(snapshot, AUTOSCALERS, names.service(snapshot.store.name)) or {"spec": {}}
    up = (autoscaler["spec"].get("behavior") or {}).get("scaleUp") or {}
    return up.get("selectPolicy") == "Disabled"


def _without_metrics_since(snapshot: Snapshot) -> datetime | None:
    """Return since when the autoscaler has no metrics; None if it has, or if there are no Pods."""
    active = _scaling_active(snapshot)
    if active.get("status") != "False" or active.get("reason") == "ScalingDisabled":
        return None
    since = active.get("lastTransitionTime")
    return parse_time(since) if since else None


def _scaling_active(snapshot: Snapshot) -> Manifest:
    autoscaler = find(snapshot, AUTOSCALERS, names.service(snapshot.store.name)) or {}
    return find_condition(autoscaler, "ScalingActive")
