"""Text for people: ages, names of gates, text of others without control characters. Pure."""

import re
from datetime import datetime

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """Return text of the cluster on one line, without what would change a terminal's state."""
    return _CONTROL.sub("�", " ".join(text.split()))


def age(since: datetime, now: datetime) -> str:
    """Return a duration as kubectl writes it: `45s`, `12m`, `3h`, `5d`."""
    seconds = max(0, int((now - since).total_seconds()))
    for unit, size, most in (("s", 1, 120), ("m", 60, 120 * 60), ("h", 3600, 48 * 3600)):
        if seconds < most:
            return f"{seconds // size}{unit}"
    return f"{seconds // 86400}d"


def words(identifier: str) -> str:
    """Return an identifier as words: `database_ready` → `database ready`."""
    return identifier.replace("_", " ")
