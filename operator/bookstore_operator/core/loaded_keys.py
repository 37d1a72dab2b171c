"""Read which signing keys a process has loaded, of its /version."""

import json
from datetime import datetime

from bookstore_operator.core.contract import MOST_SIGNING_KEYS
from bookstore_operator.core.measurements import LoadedKeys


class UnreadableVersionError(Exception):
    """The answer is no /version by the contract; the message says why."""


def read_version(text: str, now: datetime) -> LoadedKeys:
    """Return the keys that a process has loaded.

    Raises:
        UnreadableVersionError: it is no JSON object, or lists something else than ids.

    """
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise UnreadableVersionError("its /version is no JSON object")
    if "signingKeys" not in answer:
        return LoadedKeys(now, None)
    kids, signing = answer["signingKeys"], answer.get("signingKey")
    listed = isinstance(kids, list) and all(isinstance(kid, str) for kid in kids)
    if not listed or len(kids) > MOST_SIGNING_KEYS or not isinstance(signing, str | None):
        raise UnreadableVersionError("its /version lists no ids of signing keys")
    return LoadedKeys(now, frozenset(kids), signing)
