"""Waiting for a cluster, for the cluster tier and the end-to-end tests."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_POLL_SECONDS = 0.1


def wait_for(
    condition: Callable[[], T | None], seconds: float, what: str, *, poll: float = _POLL_SECONDS
) -> T:
    """Wait until the condition gives something true, and give that; ask every `poll` seconds.

    Raises:
        AssertionError: it did not in so many seconds.

    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            message = f"waited {seconds:.0f} s for {what}; last: {found!r:.2000}"
            raise AssertionError(message)
        time.sleep(poll)
    return found


def condition(manifest: dict[str, Any] | None, kind: str) -> dict[str, Any]:
    """Give a condition of an object's status, empty if it has none of that kind."""
    conditions = ((manifest or {}).get("status") or {}).get("conditions") or []
    return next((each for each in conditions if each["type"] == kind), {})


def holds(manifest: dict[str, Any] | None, kind: str) -> bool:
    """Whether a condition is True, and about the newest spec."""
    found = condition(manifest, kind)
    generation = (manifest or {}).get("metadata", {}).get("generation")
    return found.get("status") == "True" and found.get("observedGeneration") == generation
