"""What keeps Pods from running, in a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bookstore_operator.facts.objects import all_of
from bookstore_operator.plan import Manifest
from bookstore_operator.snapshot import Snapshot

ORDINARY = frozenset({"ContainerCreating", "PodInitializing"})


def trouble(snapshot: Snapshot, selector: Mapping[str, str]) -> str:
    """Return what keeps one of the selected Pods from running, or nothing."""
    for pod in all_of(snapshot, "Pod"):
        labels = pod["metadata"].get("labels") or {}
        if selector.items() <= labels.items() and not pod["metadata"].get("deletionTimestamp"):
            for told in _troubles(pod):
                return f" Pod {pod['metadata']['name']}: {told}"
    return ""


def _troubles(pod: Manifest) -> Iterator[str]:
    status = pod.get("status", {})
    for found in status.get("conditions") or ():
        if found["type"] == "PodScheduled" and found["status"] == "False":
            yield f"not scheduled: {found.get('message') or found.get('reason', 'no reason told')}"
    for container in status.get("containerStatuses") or ():
        waiting = container.get("state", {}).get("waiting") or {}
        if waiting.get("reason") and waiting["reason"] not in ORDINARY:
            last = container.get("lastState", {}).get("terminated") or {}
            said = last.get("message") or waiting.get("message") or ""
            yield f"{waiting['reason']} {' '.join(said.split())[:500]}".strip()
