"""The line of each request: the same as any other, of parts that are checked and written once.

Which route was asked how and with which status is one of a few hundred combinations, the place of a
second in the calendar the same for a whole second. What is left for each request is the rest.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from pydantic_core import to_json

from bookstore_api.telemetry import request_state
from bookstore_api.telemetry.logging.lines import Logger
from bookstore_api.telemetry.logging.schema import hold_back
from bookstore_api.telemetry.pseudonyms import pseudonym

LOGGER = "bookstore_api.access"
EVENT = "request"
_HEAD = f'"level":"info","event":"{EVENT}","logger":"{LOGGER}"'
_MAX_DURATION_MS = 1e9


def log_request(  # noqa: PLR0913, PLR0917 - a field each
    method: str,
    route: str,
    status: int,
    duration_ms: float,
    client: str | None,
    error: str | None,
) -> None:
    """Write the line of a request, with a pseudonym of the client's address."""
    output = Logger.output
    if not output.writes("info"):
        return
    client = pseudonym(client) if client else None
    asked = _asked(method, route, status)
    usual = error is None and 0 <= duration_ms < _MAX_DURATION_MS
    if not (usual and asked and output.as_json):
        fields: dict[str, Any] = {"method": method, "route": route, "status": status}
        fields |= {"duration_ms": duration_ms, "client": client, "error": error}
        output.write(LOGGER, "info", EVENT, fields, None)
        return
    state = request_state.current()
    own = _members(state.fields) if state else ""
    shown = f',"client":"{client}"' if client else ""
    output.write_text(
        f'{{"time":"{_now()}",{_HEAD}{own}{output.identity}{asked}'
        f',"duration_ms":{duration_ms!r}{shown}}}\n'
    )


@lru_cache(maxsize=1024)
def _asked(method: str, route: str, status: int) -> str:
    """Write what was asked; empty where the schema holds back a part of it."""
    fields = {"method": method, "route": route, "status": status}
    return _members(fields) if hold_back(fields) == fields else ""


def _members(fields: Mapping[str, Any]) -> str:
    """Write fields as they follow others in an object."""
    return f",{to_json(fields, ensure_ascii=True).decode()[1:-1]}" if fields else ""


def _now() -> str:
    seconds, microseconds = divmod(time.time_ns() // 1000, 1_000_000)
    return f"{_second(seconds)}.{microseconds:06}Z"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]
