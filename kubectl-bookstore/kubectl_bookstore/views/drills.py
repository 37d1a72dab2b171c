"""How far a drill is, by its Job, its Pod and what the operator reports. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bookstore_operator.core.labels import DRILL_CONTAINER, DRILL_SERVER
from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.base import parse_time
from bookstore_operator.crd.status import DrillResult
from kubectl_bookstore.errors import ExitCode
from kubectl_bookstore.views.backups import Progress
from kubectl_bookstore.views.text import age, clean

_ENDED = frozenset({"Complete", "Failed"})


def drilled(seen: Mapping[str, Any]) -> Progress:
    """Return how far a drill is.

    Args:
        seen: the `name` of its Job, the `job` (None if it is gone), its `pods`, and the `store`.

    """
    name, job = seen["name"], seen["job"]
    last = (seen["store"].get("status") or {}).get("lastDrill") or {}
    if last.get("job") == name:
        return _reported(name, last)
    if job is None:
        text = f"{name}: its Job was deleted before the operator read its result."
        return Progress(text, ExitCode.FAILED)
    conditions = (job.get("status") or {}).get("conditions") or ()
    if any(item["type"] in _ENDED and item["status"] == "True" for item in conditions):
        return Progress(f"{name}: ended; waiting for the operator to report it.", None)
    pods = seen["pods"]
    return Progress(f"{name}: {_step(pods[-1]) if pods else 'waiting for its Pod.'}", None)


def last_line(store: Manifest, now: datetime) -> str:
    """Return what the last drill of a BookStore found, as a line; empty if there was none."""
    last = (store.get("status") or {}).get("lastDrill")
    if not last:
        return ""
    ended = f"{age(parse_time(last['endedAt']), now)} ago"
    took = last.get("recoveryTimeSeconds")
    restored = f", restored in {took:.0f} s" if took is not None else ""
    backup = f": {last['backup']}" if last.get("backup") else ""
    return f"Last drill: {last['result']} {ended}{backup}{restored}."


def _reported(name: str, last: Mapping[str, Any]) -> Progress:
    line = f"{name} {last['result']}: {clean(str(last.get('message', '')))}"
    good = last["result"] == DrillResult.SUCCEEDED
    return Progress(line, ExitCode.DONE if good else ExitCode.FAILED)


def _step(pod: Manifest) -> str:
    """Return what a drill's Pod is at."""
    status = pod.get("status") or {}
    initial = {item["name"]: item for item in status.get("initContainerStatuses") or ()}
    if (initial.get(DRILL_CONTAINER, {}).get("state") or {}).get("terminated"):
        return "checking the schema with the image that serves."
    if initial.get(DRILL_SERVER, {}).get("started"):
        return "restoring and comparing."
    return "starting a PostgreSQL." if initial else "waiting for a node."
