"""What must be so in a World after each step, whatever has happened."""

from dataclasses import dataclass, field
from typing import Any

from bookstore_operator.core.labels import COLOR_LABEL, REVISION_LABEL
from tests.support.world import World


@dataclass
class Invariants:
    """The checks, and what they have seen before."""

    templates: dict[str, Any] = field(default_factory=dict)
    """The Pod templates of releases that have served, by the releases' uids."""

    def check(self, world: World) -> None:
        """Check a World after a step. At each creation and switch it checks itself, too."""
        assert len(world.running_migrations()) <= 1
        assert len(world.all("HorizontalPodAutoscaler")) <= 1
        if not world.has("BookStore", "demo") or not world.has("Service", "demo"):
            return
        selector = world.get("Service", "demo")["spec"]["selector"]
        if REVISION_LABEL not in selector:
            return  # edited by hand, and not repaired yet
        check_served_pods(world, selector)
        self._check_template(world, selector)

    def _check_template(self, world: World, selector: dict[str, str]) -> None:
        """Check that what serves is never changed in place."""
        name = f"demo-{selector[COLOR_LABEL]}"
        if not world.has("Deployment", name):
            return
        template = world.get("Deployment", name)["spec"]["template"]
        assert template["metadata"]["labels"][REVISION_LABEL] == selector[REVISION_LABEL]
        for release in world.all("BookStoreRelease"):
            spec, served = release["spec"], (release.get("status") or {}).get("promotedAt")
            if served and str(spec["revision"]) == selector[REVISION_LABEL]:
                known = self.templates.setdefault(release["metadata"]["uid"], template)
                assert template == known


def check_served_pods(world: World, selector: dict[str, str]) -> None:
    """Check that users are sent to Pods of one revision and color, and only to ready ones."""
    chosen = [p for p in world.all("Pod") if selector.items() <= p["metadata"]["labels"].items()]
    labels = [pod["metadata"]["labels"] for pod in chosen]
    assert len({(own[REVISION_LABEL], own[COLOR_LABEL]) for own in labels}) <= 1
    ready = {
        endpoint["targetRef"]["uid"]
        for slice_ in world.all("EndpointSlice")
        for endpoint in slice_["endpoints"]
        if slice_["metadata"]["name"] == "demo-x" and endpoint["conditions"]["ready"]
    }
    revisions = {
        pod["metadata"]["labels"][REVISION_LABEL]
        for pod in world.all("Pod")
        if pod["metadata"]["uid"] in ready
    }
    assert len(revisions) <= 1
