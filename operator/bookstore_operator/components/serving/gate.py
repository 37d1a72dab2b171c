"""Whether the new color is available, and whether the Service sends users to it."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from bookstore_operator.components.serving.availability import all_available, problem_of, runs
from bookstore_operator.components.serving.replicas import live_size
from bookstore_operator.core import history, names
from bookstore_operator.core.clock import stage_clock
from bookstore_operator.core.gate import Answer, Failed, Passed, Waiting
from bookstore_operator.core.kinds import DEPLOYMENTS, SERVICES
from bookstore_operator.core.labels import SERVICE_NAME_LABEL, release_selector
from bookstore_operator.core.lookup import find
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.checks import VALIDATE
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.crd.stages import find_stage
from bookstore_operator.workloads import pod_problems, pods
from bookstore_operator.workloads.endpoints import endpoints, slices_of_others
from bookstore_operator.workloads.images import differing, is_pinned, main_image_id

LONGEST_WAIT_BEFORE_NEXT = timedelta(seconds=30)
"""The longest time that the next release waits for the one before it, once users are sent to it."""


def color_available(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass if the newest release's Deployment has its revision, all available, at the live size.

    After the deadline of its stage the release fails. A first release keeps waiting, as no other
    release serves, but is reported as stalled.
    """
    release = history.newest(snapshot)
    if release is None:
        return Waiting(Reason.STARTING, "There is no release yet.")
    replicas = live_size(snapshot)
    name = names.deployment(snapshot.store.name, release.spec.color)
    deployment = find(snapshot, DEPLOYMENTS, name)
    if deployment and runs(deployment, release) and all_available(deployment, replicas):
        return Passed()
    available = (deployment or {}).get("status", {}).get("availableReplicas", 0)
    message = f"{available} of {replicas} Pods of Deployment {name} are available."
    return overdue_or_waiting(snapshot, release, now, message)


def overdue_or_waiting(
    snapshot: Snapshot, release: BookStoreRelease, now: datetime, message: str
) -> Waiting | Failed:
    """Return the answer of a gate that waits until the deadline of a release's stage."""
    stage = find_stage(release.status.stage)
    seconds = stage.deadline_seconds(snapshot.store.spec) if stage else None
    since = stage_clock(release, now)
    deadline = None if seconds is None else since + timedelta(seconds=seconds)
    problem = problem_of(snapshot, release, now)
    if stage is None or deadline is None or now < deadline:
        message = f"Waiting for revision {release.spec.revision}: {message}"
        return pod_problems.wait_for_pods(Reason.STARTING, message, problem, deadline)
    message = pod_problems.append_problem(message, problem)
    late = f"Not available within {seconds} s (spec.{stage.deadline}): {message}"
    if history.active(snapshot):
        return Failed(Reason.PROGRESS_DEADLINE_EXCEEDED, late)
    return Waiting(Reason.PROGRESS_DEADLINE_EXCEEDED, late, stalled=True)


def one_image(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass if all Pods of the newest release run one image, which is the one that was validated.

    A tag that was pushed again is found by the images' IDs; an image with a digest can't change.
    """
    release = history.newest(snapshot)
    if release is None:
        return Waiting(Reason.STARTING, "There is no release yet.")
    image = str(release.spec.intent.get("image", ""))
    if is_pinned(image):
        return Passed()
    running = sorted(pods.selected(snapshot, release_selector(release)), key=_name)
    ids = {_name(pod): main_image_id(pod) for pod in running}
    if silent := [name for name, image_id in ids.items() if not image_id]:
        message = f"the kubelet has not reported the image of Pod {silent[0]} yet."
        return overdue_or_waiting(snapshot, release, now, message)
    validated = _validated_ids(snapshot, release)
    if differing([*ids.values(), *validated]):
        return _image_changed(image, ids, validated)
    return Passed()


def _validated_ids(snapshot: Snapshot, release: BookStoreRelease) -> frozenset[str]:
    """Return the IDs of the image that was validated; empty if that is unknown.

    A release of the active release's image is only validated by that one's Pods.
    """
    records = [record for record in release.status.checks if record.name == VALIDATE]
    if validated := {record.image_id for record in records if record.image_id}:
        return frozenset(validated)
    active = history.active(snapshot)
    if active is None or active.spec.intent.get("image") != release.spec.intent.get("image"):
        return frozenset()
    serving = pods.selected(snapshot, release_selector(active))
    return frozenset(main_image_id(pod) for pod in serving) - {""}


def _image_changed(image: str, ids: Mapping[str, str], validated: frozenset[str]) -> Failed:
    by_digest = {_digest(image_id): name for name, image_id in ids.items()}
    ran = ", ".join(f"{digest} (Pod {name})" for digest, name in sorted(by_digest.items()))
    digests = ", ".join(sorted(map(_digest, validated)))
    known = f", but {digests} was validated" if validated else ""
    return Failed(
        Reason.IMAGE_CHANGED,
        f"The Pods of the release do not run the image that {image} was: its tag was pushed again. "
        f"They run {ran}{known}. Use a digest in spec.image (NAME@sha256:...), or a new tag.",
    )


def _digest(image_id: str) -> str:
    return image_id.rpartition("@")[2]


def _name(pod: Manifest) -> str:
    return str(pod["metadata"]["name"])


def switched(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass if the observed Service selects the promoted release's Pods."""
    active = history.active(snapshot)
    service = find(snapshot, SERVICES, names.service(snapshot.store.name))
    if active and service and service["spec"].get("selector") == release_selector(active):
        return Passed()
    message = (
        "Waiting for the Service to select the new color. See kubectl get service "
        f"{names.service(snapshot.store.name)} -o wide."
    )
    deadline = switch_deadline(snapshot)
    late = deadline is not None and now >= deadline
    return Waiting(Reason.SWITCHING, message, None if late else deadline, stalled=late)


def switch_deadline(snapshot: Snapshot) -> datetime | None:
    """Return by when users should be sent to a promoted release; None once they were."""
    active = history.active(snapshot)
    if active is None or active.status.promoted_at is None or active.status.served_at:
        return None
    seconds = snapshot.store.spec.rollout.progress_deadline_seconds
    return active.status.promoted_at + timedelta(seconds=seconds)


def followed(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass when the active Service sends users to the new color's Pods and to no others.

    Evaluated until it has passed once. The next release waits only shortly for missing Pods, as it
    may be the one that fixes them, but it never takes a color that users are still sent to.
    """
    active = history.active(snapshot)
    if active is None or active.status.served_at:
        return Passed()
    service, behind = names.service(snapshot.store.name), endpoints(snapshot)
    new, ready = pods.of_release(snapshot, active)
    if old := behind.listed - new:
        message = (
            f"Waiting for the endpoints of Service {service} to drop the old color's Pods: "
            f"{len(old)} are left.{_others(snapshot)}{_advice(service)}"
        )
        deadline = switch_deadline(snapshot)
        late = deadline is not None and now >= deadline
        return Waiting(Reason.SWITCHING, message, None if late else deadline, stalled=late)
    if ready <= behind.ready and (ready or not live_size(snapshot)):
        return Passed()
    until = None if history.matches_spec(snapshot, active) else _before_next(active)
    if until and now >= until:
        return Passed()
    problem = problem_of(snapshot, active, now)
    message = (
        f"Waiting for the endpoints of Service {service} to list the new color's Pods: "
        f"{len(behind.ready)} are listed.{_advice(service)}"
    )
    return pod_problems.wait_for_pods(Reason.SWITCHING, message, problem, until)


def _before_next(active: BookStoreRelease) -> datetime | None:
    promoted = active.status.promoted_at
    return promoted and promoted + LONGEST_WAIT_BEFORE_NEXT


def _advice(service: str) -> str:
    return f" See kubectl get endpointslices -l {SERVICE_NAME_LABEL}={service}."


def _others(snapshot: Snapshot) -> str:
    """Return a sentence about slices that somebody else makes for the Service."""
    listed = ", ".join(slices_of_others(snapshot))
    if not listed:
        return ""
    return (
        f" EndpointSlice {listed} is made by somebody else, and sends users to other Pods too: "
        "delete it, or correct what makes it."
    )
