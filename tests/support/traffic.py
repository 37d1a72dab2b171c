"""Simulated users of a World, and what the Pods' metrics say about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bookstore_operator.core.labels import REVISION_LABEL
from bookstore_operator.core.measurements import (
    KeyScrape,
    Measurement,
    NoData,
    PodScrape,
    PrometheusQuery,
    Reading,
    Result,
    Unreadable,
    Value,
)

if TYPE_CHECKING:
    from tests.support.world import Object, World


@dataclass
class Traffic:
    """Requests arrive evenly at the ready Pods of the active Service."""

    per_second: float = 10.0
    errors: dict[str, float] = field(default_factory=dict)
    """The percentage of errors by image."""
    slow: dict[str, float] = field(default_factory=dict)
    """The percentage of slow answers by image."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Why the metrics of an image's Pods can't be read."""
    connections: dict[str, int] = field(default_factory=dict)
    """The number of open connections of each Pod of an image."""
    prometheus: dict[str, float | str | None] = field(default_factory=dict)
    """What a Prometheus answers a query that has a text in it: a number, why not, or no data."""
    processes: dict[str, float] = field(default_factory=dict)
    """When the process of a Pod started, by the Pod's uid."""
    counts: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    """Requests, errors and slow answers, by the Pod's uid."""

    def count(self, world: World, seconds: float) -> None:
        """Let users ask for some time."""
        if not world.has("EndpointSlice", f"{world.name}-x"):
            return
        endpoints = world.get("EndpointSlice", f"{world.name}-x")["endpoints"]
        ready = [e["targetRef"]["uid"] for e in endpoints if e["conditions"]["ready"]]
        pods = [pod for pod in world.all("Pod") if pod["metadata"]["uid"] in ready]
        for pod in pods:
            image, uid = self._image(world, pod), pod["metadata"]["uid"]
            requests = self.per_second * seconds / len(pods)
            shares = (100.0, self.errors.get(image, 0.0), self.slow.get(image, 0.0))
            before = self.counts.get(uid, (0.0, 0.0, 0.0))
            after = [b + requests * s / 100 for b, s in zip(before, shares, strict=True)]
            self.counts[uid] = (after[0], after[1], after[2])

    def restart(self, pod: Object) -> None:
        """Restart the container of a Pod: its counters begin at 0 again."""
        uid = pod["metadata"]["uid"]
        self.processes[uid] = self.processes.get(uid, 1.0) + 1
        self.counts.pop(uid, None)
        containers = pod["status"].setdefault("containerStatuses", [{"name": "api"}])
        containers[0]["restartCount"] = containers[0].get("restartCount", 0) + 1

    def measure(self, world: World, measurement: Measurement) -> Result:
        """Return what a measurement results in."""
        match measurement:
            case PrometheusQuery():
                return self._ask(world, measurement)
            case PodScrape():
                return self._read(world, measurement)
            case KeyScrape():
                return world.keys.measure(world, measurement)

    def _ask(self, world: World, query: PrometheusQuery) -> Result:
        answers = (answer for text, answer in self.prometheus.items() if text in query.query)
        answer = next(answers, None)
        if isinstance(answer, str):
            return Unreadable(world.now, answer)
        return NoData(world.now) if answer is None else Value(world.now, answer)

    def _read(self, world: World, scrape: PodScrape) -> Result:
        pods = [pod for pod in world.all("Pod") if pod["metadata"]["uid"] == scrape.uid]
        if not pods:
            return Unreadable(world.now, "it does not answer in time")
        image = self._image(world, pods[0])
        if why := self.unreadable.get(image):
            return Unreadable(world.now, why)
        requests, errors, slow = map(int, self.counts.get(scrape.uid, (0, 0, 0)))
        return Reading(
            world.now,
            self.processes.get(scrape.uid, 1.0),
            pods[0]["metadata"]["labels"].get(REVISION_LABEL, ""),
            requests,
            errors,
            slow,
            self.connections.get(image, 0),
        )

    @staticmethod
    def _image(world: World, pod: Object) -> str:
        owner = pod["metadata"]["ownerReferences"][0]["uid"]
        (of,) = (d for d in world.all("Deployment") if d["metadata"]["uid"] == owner)
        return str(of["spec"]["template"]["spec"]["containers"][0]["image"])
