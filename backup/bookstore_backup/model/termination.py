"""What of a result fits into a termination message, of which Kubernetes reads 4096 bytes."""

import json
from collections.abc import Mapping
from typing import Any

MOST_BYTES = 4000
_OF_A_BACKUP = (
    *("name", "store", "reason", "started", "completed", "size", "rows", "tables"),
    *("schemaRevisions", "recipients"),
)
_OF_A_SERVER = ("version", "major", "database", "systemIdentifier")
_OF_A_LISTED_BACKUP = ("name", "state", "size")
# What is left out, in this order, until the rest fits: first the oldest entries of lists.
_SHORTENED = ("backups", "deleted", "warnings")


def termination_message(result: Mapping[str, Any]) -> str:
    """Return a result as JSON, without what does not fit; code, message and name always do.

    `backups` has the newest backups of the target with their states, as many as fit; `total` is
    how many there are.
    """
    short = dict(result)
    if "backups" in result:
        short["backups"] = [listed(backup) for backup in result["backups"]]
        short["total"] = len(result["backups"])
    if isinstance(backup := result.get("backup"), Mapping):
        short["backup"] = _backup(backup)
    return _fitted(short)


def listed(backup: Mapping[str, Any]) -> dict[str, Any]:
    """Return a listed backup in short."""
    return {key: backup[key] for key in _OF_A_LISTED_BACKUP}


def _backup(backup: Mapping[str, Any]) -> dict[str, Any]:
    short = {key: backup[key] for key in _OF_A_BACKUP if key in backup}
    server = backup.get("server") or {}
    return {**short, "server": {key: server[key] for key in _OF_A_SERVER if key in server}}


def _fitted(short: dict[str, Any]) -> str:
    text = _json(short)
    for key in _SHORTENED:
        items = list(short.get(key) or ())
        while items and len(text) > MOST_BYTES:
            items.pop()
            text = _json(short := {**short, key: items})
    return text if len(text) <= MOST_BYTES else _least(short)


def _least(short: Mapping[str, Any]) -> str:
    name = (short.get("backup") or short).get("name")
    message = str(short["message"])[: MOST_BYTES // 8]  # six bytes a character
    return _json(
        {**{key: short[key] for key in ("command", "code")}, "name": name, "message": message}
    )


def _json(data: Mapping[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"))
