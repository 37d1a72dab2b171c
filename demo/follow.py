"""Show a release as it passes its stages, from the status of the BookStore and its release."""

import contextlib
import time
from dataclasses import dataclass
from typing import Any

from bookstore_operator.crd.stages import find_stage, stages_until_switch
from demo.deploy import DemoError
from demo.kubectl import Kubectl
from devcluster.progress import Step, step

# A release that is at a later one has passed all of these.
STAGES = {stage.name: f"{stage.name}: {stage.sentence}" for stage in stages_until_switch()}
POLL_SECONDS = 0.25


@dataclass(frozen=True)
class Progress:
    """The progress of a BookStore's release of an image."""

    stage: str
    message: str
    ready: bool
    stalled: bool


def progress_of(store: dict[str, Any], releases: list[dict[str, Any]], image: str) -> Progress:
    """Return the progress of the newest release of `image`."""
    conditions = {c["type"]: c for c in store.get("status", {}).get("conditions", [])}
    current = store.get("status", {}).get("observedGeneration") == store["metadata"]["generation"]
    mine = [r for r in releases if r["spec"]["intent"]["image"] == image]
    newest = max(mine, key=lambda r: (r["spec"]["revision"], r["spec"]["attempt"]), default={})

    def holds(condition: str) -> bool:
        return bool(current and conditions.get(condition, {}).get("status") == "True")

    stalled = holds("Stalled")
    return Progress(
        stage=newest.get("status", {}).get("stage", "") if current else "",
        message=conditions.get("Stalled" if stalled else "Ready", {}).get("message", ""),
        ready=holds("Ready") and bool(mine),
        stalled=stalled,
    )


def follow(kubectl: Kubectl, name: str, image: str, *, timeout: float = 600) -> None:
    """Show each stage until the BookStore is Ready with `image`.

    Raises DemoError when it stalls, or is not Ready within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    passed: list[str] = []
    with contextlib.ExitStack() as shown:
        current: Step = shown.enter_context(step("Accepted: the operator has seen the BookStore"))
        while True:
            progress = _look(kubectl, name, image)
            for stage in stages_up_to(progress.stage)[len(passed) :]:
                passed.append(stage)
                shown.close()
                current = shown.enter_context(step(STAGES[stage]))
            current.update(progress.message)
            if progress.ready:
                return
            if progress.stalled:
                raise DemoError(f"BookStore {name} is stalled: {progress.message}")
            if time.monotonic() > deadline:
                raise DemoError(
                    f"BookStore {name} is not Ready after {timeout:.0f} s: {progress.message}\n"
                    f"See kubectl describe bookstore {name} and kubectl get bsr,pods."
                )
            time.sleep(POLL_SECONDS)


def stages_up_to(stage: str) -> list[str]:
    """Return the stages to show for a release at this stage."""
    names = list(STAGES)
    if stage in names:
        return names[: names.index(stage) + 1]
    return names if find_stage(stage) else []


def _look(kubectl: Kubectl, name: str, image: str) -> Progress:
    store = kubectl.find("bookstore", name)
    if store is None:
        raise DemoError(f"BookStore {name} was deleted. Create it again with make demo.")
    return progress_of(
        store, kubectl.list("bookstorerelease", f"bookstore.dev/store={name}"), image
    )
