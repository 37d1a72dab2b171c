"""What the cluster tier and the end-to-end tests share: waiting, conditions, dumps."""

import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from demo.kubectl import Kubectl, KubectlError

T = TypeVar("T")

_POLL_SECONDS = 0.1


def wait_for(
    condition: Callable[[], T | None], seconds: float, what: str, *, poll: float = _POLL_SECONDS
) -> T:
    """Return the condition's first true value; it is evaluated every `poll` seconds.

    Raises AssertionError if there is none within so many seconds.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            message = f"waited {seconds:.0f} s for {what}; last: {value!r:.2000}"
            raise AssertionError(message)
        time.sleep(poll)
    return value


def condition(manifest: dict[str, Any] | None, kind: str) -> dict[str, Any]:
    """Return a condition of an object's status, empty if it has none of that type."""
    conditions = ((manifest or {}).get("status") or {}).get("conditions") or []
    return next((item for item in conditions if item["type"] == kind), {})


def holds(manifest: dict[str, Any] | None, kind: str) -> bool:
    """Whether a condition is True, and about the newest spec."""
    actual = condition(manifest, kind)
    generation = (manifest or {}).get("metadata", {}).get("generation")
    return actual.get("status") == "True" and actual.get("observedGeneration") == generation


def namespace(name: str) -> dict[str, Any]:
    """Return the manifest of a namespace that enforces `restricted`."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def dump(commands: Iterable[tuple[Kubectl, list[str]]]) -> str:
    """Return what kubectl commands print, or why they fail, to explain a failed test."""
    lines = []
    for kubectl, arguments in commands:
        lines.append(f"\n$ kubectl {' '.join(arguments)}")
        try:
            lines.append(kubectl(*arguments))
        except KubectlError as error:
            lines.append(str(error))
    return "\n".join(lines)
