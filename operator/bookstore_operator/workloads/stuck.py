"""Pods that never started, or keep crashing, and that Kubernetes does not replace by itself.

After a mistake in the spec is corrected, a Deployment replaces such Pods. A StatefulSet does not:
it first waits for the Pod of the old revision to become ready, which it never does. A Job does not
either: its template is immutable.
"""

from collections.abc import Iterator

from bookstore_operator.core.kinds import JOBS, PODS, key_of
from bookstore_operator.core.labels import REVISION_HASH_LABEL
from bookstore_operator.core.lookup import all_of, condition, label, owned_by
from bookstore_operator.core.plan import Delete, Manifest
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.workloads.jobs import end_condition, is_main, job_name, pods_of
from bookstore_operator.workloads.pod_problems import creation_error


def replace_stuck_pods(snapshot: Snapshot, server: Manifest | None) -> Iterator[Delete]:
    """Yield the deletion of a StatefulSet's Pods that have an old revision and can't get ready.

    A running container that has not restarted is left alone: PostgreSQL may be replaying its
    write-ahead log. The API server rejects the deletion if the Pod has changed meanwhile.
    """
    status = (server or {}).get("status") or {}
    newest = status.get("updateRevision")
    if server is None or status.get("observedGeneration") != server["metadata"].get("generation"):
        return
    for pod in all_of(snapshot, PODS):
        old = newest and label(pod, REVISION_HASH_LABEL) not in {None, newest}
        if old and owned_by(pod, server["metadata"]["uid"]) and _is_stuck(pod):
            yield delete_unchanged(pod, "it can't start, and the spec has been changed since.")


def delete_unchanged(manifest: Manifest, why: str) -> Delete:
    """Return the deletion of an object, unless it changes before that."""
    metadata, kind = manifest["metadata"], manifest["kind"]
    message = f"{kind} {metadata['name']} is replaced: {why}"
    version = metadata.get("resourceVersion")
    return Delete(key_of(manifest), metadata["uid"], "Replace", message, version)


def cancel_job(snapshot: Snapshot, job: Manifest, why: str) -> Delete:
    """Return the deletion of a Job, unless it or a Pod of it changes before that."""
    metadata = job["metadata"]
    return Delete(
        key_of(job),
        metadata["uid"],
        "Cancel",
        f"Job {metadata['name']} is cancelled: {why}",
        metadata.get("resourceVersion"),
        reads=tuple(key_of(pod) for pod in pods_of(snapshot, job)),
    )


def never_ran(snapshot: Snapshot, job: Manifest) -> bool:
    """Whether the main container of a Job has never started, so that it has changed nothing."""
    status = job.get("status") or {}
    if end_condition(job) or any(status.get(key) for key in ("failed", "succeeded", "ready")):
        return False
    pods = list(pods_of(snapshot, job))
    if not pods:  # a Pod of it may exist that was not observed yet
        return not status.get("active")
    return all(_main_is_unstarted(pod) for pod in pods)


def never_started(snapshot: Snapshot, job: Manifest) -> bool:
    """Whether no container of a Job has ever started, and one can't start now."""
    name = job["metadata"]["name"]
    pods = [pod for pod in all_of(snapshot, PODS) if job_name(pod) == name]
    if not pods:
        return creation_error(snapshot, JOBS.ref(name)) is not None
    return all(_is_unstarted(pod) for pod in pods)


def is_unbound(claim: Manifest) -> bool:
    """Whether a claim has never had a volume."""
    phase = (claim.get("status") or {}).get("phase")
    return phase == "Pending" and not claim["spec"].get("volumeName")


def _is_stuck(pod: Manifest) -> bool:
    if pod["metadata"].get("deletionTimestamp") or condition(pod, "Ready"):
        return False
    return _is_unstarted(pod) or any(
        container.get("restartCount") or "running" not in (container.get("state") or {})
        for container in _containers(pod)
    )


def _is_unstarted(pod: Manifest) -> bool:
    """Whether a Pod is Pending, and no container of it has run."""
    return _is_pending(pod) and not any(map(_has_run, _containers(pod)))


def _main_is_unstarted(pod: Manifest) -> bool:
    """Whether a Pod is Pending, and its main container has not run; one of a mesh may have."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return _is_pending(pod) and not any(_has_run(c) for c in statuses if is_main(pod, c))


def _is_pending(pod: Manifest) -> bool:
    return (pod.get("status") or {}).get("phase") == "Pending"


def _has_run(container: Manifest) -> bool:
    return bool(
        container.get("restartCount")
        or container.get("lastState")
        or (container.get("state") or {}).keys() & {"running", "terminated"}
    )


def _containers(pod: Manifest) -> list[Manifest]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
