"""Select Warning events about an object, and the newest of them."""

from collections.abc import Iterable

from bookstore_operator.core.plan import Manifest, ObjectRef


def warning_selector(key: ObjectRef) -> str:
    """Return the field selector of the Warning events (core/v1) about an object."""
    fields = {
        "involvedObject.kind": key.kind,
        "involvedObject.name": key.name,
        "type": "Warning",
    }
    return ",".join(f"{field}={value}" for field, value in fields.items())


def newest_message(events: Iterable[Manifest]) -> str | None:
    """Return the message of the newest event; None if there is none."""
    ordered = sorted(events, key=_last_observed)
    return str(ordered[-1].get("message") or "") if ordered else None


def _last_observed(event: Manifest) -> str:
    """Return the time of an event's last occurrence; its reporter chooses which field has it."""
    series = event.get("series") or {}
    times = (
        event.get("lastTimestamp"),
        series.get("lastObservedTime"),
        event.get("eventTime"),
        event["metadata"].get("creationTimestamp"),
    )
    return str(next((time for time in times if time), ""))
