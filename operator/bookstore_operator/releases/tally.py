"""Count what the Pods of a release do from a moment on, from the counters of their processes.

A counter begins at 0 with its process. So the counts of another process, even in the same Pod, are
added to those of the former one, and those of a Pod that is gone are kept as they were last.
"""

from collections.abc import Iterable
from datetime import datetime

from bookstore_operator.core.labels import release_selector
from bookstore_operator.core.measurements import PodScrape, Reading, Unreadable
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.measured import MAX_PODS, Counts, PodCounts, Tally
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.workloads import pods
from bookstore_operator.workloads.jobs import is_main

SEVERAL_PROCESSES_READS = 3
"""So many reads in a row find several processes in a Pod: each would answer some of them."""


def scrapes(snapshot: Snapshot, release: BookStoreRelease, times: int = 1) -> tuple[PodScrape, ...]:
    """Return the measurements of all Pods of a release that are not about to end."""
    slow = snapshot.store.spec.rollout.watch.slow_milliseconds / 1000
    return tuple(
        PodScrape(
            pod["metadata"]["uid"],
            pod["metadata"]["name"],
            pod.get("status", {}).get("podIP") or "",
            slow,
            times,
        )
        for pod in _pods(snapshot, release)
    )


def unreadable(snapshot: Snapshot, wanted: Iterable[PodScrape]) -> str:
    """Return why a Pod's metrics could not be read, as a sentence; empty if all were, or none yet.

    Pods fail alike as a rule, so one stands for all.
    """
    failed = [
        (scrape, result)
        for scrape in wanted
        if isinstance(result := snapshot.measurements.get(scrape), Unreadable)
    ]
    if not failed:
        return ""
    scrape, result = failed[0]
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return f"The metrics of Pod {scrape.pod}{more} can't be read: {result.cause}."


def readings(snapshot: Snapshot, wanted: Iterable[PodScrape]) -> dict[str, Reading]:
    """Return what was read, by the uid of the Pod."""
    return {
        scrape.uid: result
        for scrape in wanted
        if isinstance(result := snapshot.measurements.get(scrape), Reading)
    }


def begin(snapshot: Snapshot, release: BookStoreRelease, read: dict[str, Reading]) -> Tally:
    """Return the Tally that counts from these readings on."""
    counted = count(Tally(), snapshot, release, read)
    return counted.model_copy(update={"before": total(counted)})


def count(
    tally: Tally, snapshot: Snapshot, release: BookStoreRelease, read: dict[str, Reading]
) -> Tally:
    """Return the Tally with new readings; a Pod that could not be read keeps its last counts."""
    last = {pod.uid: pod for pod in tally.pods}
    gone, current = tally.gone, []
    for pod in _pods(snapshot, release)[:MAX_PODS]:
        uid = pod["metadata"]["uid"]
        before = last.pop(uid, None) or PodCounts(uid=uid)
        reading = read.get(uid)
        if reading and before.process not in {"", _process(reading)}:
            gone = gone.plus(before.model_copy(update={"restarts": 0}))
        current.append(_updated(before, reading, restarts(pod)))
    for pod_counts in last.values():
        gone = gone.plus(pod_counts)
    read_at = max((reading.at for reading in read.values()), default=tally.read_at)
    return Tally(read_at=read_at, before=tally.before, gone=gone, pods=current)


def total(tally: Tally) -> Counts:
    """Return what was counted since the beginning; never negative."""
    counts = tally.gone.plus(tally.before, -1)
    for pod in tally.pods:
        counts = counts.plus(pod)
    return Counts(**{name: max(0, number) for name, number in counts.model_dump().items()})


def needs_record(recorded: Tally, counted: Tally, now: datetime, every_seconds: float) -> bool:
    """Whether a Tally is written now: what can't be read again at once, all else at times."""
    if (recorded.before, recorded.gone) != (counted.before, counted.gone):
        return True
    if len(recorded.pods) != len(counted.pods):
        return True
    if total(recorded) == total(counted):
        return False
    return recorded.read_at is None or (now - recorded.read_at).total_seconds() >= every_seconds


def restarts(pod: Manifest) -> int:
    """Return how often the kubelet has restarted the API's container of a Pod."""
    return sum(
        int(container.get("restartCount") or 0)
        for container in pod.get("status", {}).get("containerStatuses") or ()
        if is_main(pod, container)
    )


def _updated(before: PodCounts, reading: Reading | None, restart_count: int) -> PodCounts:
    changes: dict[str, object] = {"restarts": restart_count}
    if reading:
        changes |= {
            "process": _process(reading),
            "requests": reading.requests,
            "errors": reading.errors,
            "slow": reading.slow,
        }
    return before.model_copy(update=changes)


def _process(reading: Reading) -> str:
    return f"{reading.process:.2f}"


def _pods(snapshot: Snapshot, release: BookStoreRelease) -> list[Manifest]:
    return list(pods.selected(snapshot, release_selector(release)))
