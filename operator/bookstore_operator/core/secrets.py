"""Which keys of which Secrets are used, and what is the matter with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from bookstore_operator.core.gate import Answer, Passed, Waiting
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.secret_values import Content
from bookstore_operator.core.snapshot import Snapshot

Wanted: TypeAlias = Mapping[str, Mapping[str, Content]]
"""Secret → key → what it is for."""


def missing_keys(snapshot: Snapshot, secret: str, keys: list[str]) -> list[str]:
    """Return those of the keys that a Secret does not have."""
    return [key for key in keys if key not in snapshot.secrets.get(secret, {})]


def invalid_keys(snapshot: Snapshot, secret: str, keys: list[str]) -> list[str]:
    """Return what is wrong with the values of keys, a sentence's part each."""
    known = snapshot.secrets.get(secret, {})
    return [f"key `{key}` {known[key]}" for key in keys if known.get(key)]


@dataclass(frozen=True, slots=True)
class SecretWords:
    """How one kind of Secret is told of."""

    missing: Reason
    incomplete: Reason
    malformed: Reason
    what: str
    example: str


def secret_known(  # noqa: PLR0913 - each is one thing a sentence needs
    snapshot: Snapshot,
    secret: str,
    keys: list[str],
    words: SecretWords,
    now: datetime,
    *,
    ours: bool,
) -> Answer:
    """Pass when a Secret has its keys, well formed. `ours` is one that the operator makes."""
    again = now + SECRET_POLL
    lacking = missing_keys(snapshot, secret, keys)
    told = " and ".join(f"`{key}`" for key in lacking)
    if secret not in snapshot.secrets:
        message = f"There is no Secret {secret}. Create it, with {words.what} under the key {told}."
        return Passed() if ours else Waiting(words.missing, message, until=again)
    if lacking:
        todo = RECREATED if ours else f"Add it: {words.what}."
        message = f"Secret {secret} has no key {told}. {todo}"
        return Waiting(words.incomplete, message, until=again)
    if wrong := invalid_keys(snapshot, secret, keys):
        todo = RECREATED if ours else f"Correct it: {words.example}."
        message = f"In Secret {secret}, {' and '.join(wrong)}. {todo}"
        return Waiting(words.malformed, message, until=again)
    return Passed()


SECRET_POLL = timedelta(seconds=10)
"""How often to read a Secret: Secrets are not watched, because the operator may not list them."""

RECREATED = "Delete the Secret: the operator recreates it."
