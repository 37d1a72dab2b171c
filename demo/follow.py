"""Show a release as it passes its stages, from the status of the BookStore and its release."""

import contextlib
import time
from dataclasses import dataclass
from typing import Any

from bookstore_operator.crd.release import Result
from bookstore_operator.crd.stages import STAGES, find_stage
from demo.deploy import DemoError
from demo.kubectl import Kubectl
from devcluster.progress import Step, step

LINES = {stage.name: f"{stage.name}: {stage.sentence}" for stage in STAGES}
WATCHED, DRAINED = "Watch", "Drain"
"""The stage after which a BookStore is Ready; that after which users have left the old color."""
POLL_SECONDS = 0.25


@dataclass(frozen=True)
class Progress:
    """The progress of a BookStore's release of an image."""

    stage: str
    message: str
    ready: bool
    stalled: bool
    complete: bool = False
    """The release has passed its last stage."""

    def has_passed(self, stage: str) -> bool:
        """Whether the release is at a later stage, also one that only a newer operator has."""
        return self.complete or (bool(self.stage) and self.stage not in stages_up_to(stage))


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
        complete=newest.get("status", {}).get("result") == Result.SUCCEEDED,
    )


def follow(
    kubectl: Kubectl, name: str, image: str, *, last: str = WATCHED, timeout: float = 600
) -> None:
    """Show each stage until the BookStore is Ready with `image` and has passed the `last` one.

    Raises DemoError when it stalls, or is not there within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    passed: list[str] = []
    with contextlib.ExitStack() as shown:
        current: Step = shown.enter_context(step("Accepted: the operator has seen the BookStore"))
        while True:
            progress = _look(kubectl, name, image)
            for stage in entered(progress, last)[len(passed) :]:
                passed.append(stage)
                shown.close()
                current = shown.enter_context(step(LINES[stage]))
            current.update(progress.message)
            if progress.ready and progress.has_passed(last):
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
    """Return a stage and those before it; none for what is no stage."""
    names = list(LINES)
    return names[: names.index(stage) + 1] if find_stage(stage) else []


def entered(progress: Progress, last: str) -> list[str]:
    """Return the stages to show: those that the release has entered, up to the last one."""
    wanted = stages_up_to(last)
    return wanted if progress.has_passed(last) else stages_up_to(progress.stage)[: len(wanted)]


def _look(kubectl: Kubectl, name: str, image: str) -> Progress:
    store = kubectl.find("bookstore", name)
    if store is None:
        raise DemoError(f"BookStore {name} was deleted. Create it again with make demo.")
    return progress_of(
        store, kubectl.list("bookstorerelease", f"bookstore.dev/store={name}"), image
    )
