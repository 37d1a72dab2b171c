"""What a BookStore reports during a release: each of its statuses, and the events about it."""

import json
import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bookstore_operator.crd.stages import STAGES
from demo.kubectl import Kubectl
from tests.support.kube import condition, wait_for

_SEEN_SECONDS = 30
ALWAYS = ("Expand", "Start", "Switch", "Drain")
"""Stages of every release; another may be recorded after the release's own end."""


@dataclass(frozen=True)
class Reports:
    """A watch of one BookStore, which misses no write, and the events that were there before."""

    kubectl: Kubectl
    name: str
    output: Path
    earlier: frozenset[str]

    def statuses(self) -> list[dict[str, Any]]:
        """Return each state of the BookStore up to now, oldest first."""
        current = self.kubectl.find("bookstore", self.name)
        assert current is not None
        version = current["metadata"]["resourceVersion"]
        wait_for(
            lambda: any(s["metadata"]["resourceVersion"] == version for s in self._seen()),
            _SEEN_SECONDS,
            "the watch to deliver the newest status",
        )
        return self._seen()

    def transitions(self, kind: str) -> list[tuple[str, str]]:
        """Return a condition's status and reason at the beginning, and at each change of status."""
        states = [condition(store, kind) for store in self.statuses()]
        pairs = [(state.get("status", ""), state.get("reason", "")) for state in states]
        before = [("", ""), *pairs]
        return [now for now, last in zip(pairs, before, strict=False) if now[0] != last[0]]

    def events(self) -> list[dict[str, Any]]:
        """Return the operator's events since the beginning."""
        return [
            e
            for e in events_of(self.kubectl, self.name)
            if e["metadata"]["uid"] not in self.earlier
        ]

    def _seen(self) -> list[dict[str, Any]]:
        text, decoder = self.output.read_text(), json.JSONDecoder()
        found: list[dict[str, Any]] = []
        at = 0
        while at < len(text):
            try:
                store, at = decoder.raw_decode(text, at)
            except ValueError:  # the last one is being written
                break
            found.append(store)
            at += len(text[at:]) - len(text[at:].lstrip())
        return found

    def assert_quiet(self) -> None:
        """Assert that nobody had a reason to look up: what a release that goes well reports."""
        # An event follows the status that it tells about.
        wait_for(
            lambda: all(self.passed()[f"Stage{name}"] for name in ALWAYS),
            _SEEN_SECONDS,
            f"the events of the stages {', '.join(ALWAYS)}",
        )
        events = self.events()
        warnings = [f"{e['reason']}: {e['note']}" for e in events if e["type"] != "Normal"]
        assert warnings == []
        assert self.transitions("Available") == [("True", "Serving")]
        assert [status for status, _ in self.transitions("Stalled")] == ["False"]
        # These releases have nothing to migrate: only one that has makes it False meanwhile.
        assert [status for status, _ in self.transitions("DatabaseMigrated")] == ["True"]
        for kind in ("CacheHealthy", "BackupHealthy", "AutoscalingHealthy"):
            statuses = [status for status, _ in self.transitions(kind)]
            assert len(statuses) == len(set(statuses) - {"False"}), (kind, statuses)
        ready = [status for status, _ in self.transitions("Ready")]
        assert ready == ["True", "False", "True"], self.transitions("Ready")
        assert set(self.passed().values()) <= {0, 1}, self.passed()

    def passed(self) -> dict[str, int]:
        """Return how often each stage has reported by an event that it was passed."""
        counts: Counter[str] = Counter()
        for event in self.events():
            counts[event["reason"]] += (event.get("series") or {}).get("count", 1)
        return {f"Stage{stage.name}": counts[f"Stage{stage.name}"] for stage in STAGES}


@contextmanager
def reports(kubectl: Kubectl, name: str) -> Iterator[Reports]:
    """Watch a BookStore during the block."""
    earlier = frozenset(event["metadata"]["uid"] for event in events_of(kubectl, name))
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "watch.json"
        with output.open("w") as file:
            command = ["get", "bookstore", name, "--watch", "-o", "json"]
            watch = subprocess.Popen(
                ["kubectl", "--namespace", kubectl.namespace, *command],
                env={**os.environ, **kubectl.environment},
                stdout=file,
            )
        seen = Reports(kubectl, name, output, earlier)
        try:
            # No state read before this is one that the watch has to deliver.
            wait_for(seen._seen, _SEEN_SECONDS, "the watch to begin")
            yield seen
        finally:
            watch.terminate()
            watch.wait(20)


def events_of(kubectl: Kubectl, name: str) -> list[dict[str, Any]]:
    """Return the operator's events about a BookStore (events.k8s.io/v1)."""
    text = kubectl("get", "events.events.k8s.io", "-l", f"bookstore.dev/store={name}", "-o", "json")
    items: list[dict[str, Any]] = json.loads(text)["items"]
    return items
