"""Which keys of which Secrets are used, and the gate that checks them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias

from bookstore_operator.core.gate import Answer, Passed, Waiting
from bookstore_operator.core.key_sets import KeySet, describe_key_set
from bookstore_operator.core.kinds import store_name_of
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.secret_values import Content, database_digest, invalid_reasons
from bookstore_operator.core.snapshot import Snapshot

UsedKeys: TypeAlias = Mapping[str, Mapping[str, Content]]
"""Secret → key → what it is for."""


class Secrets(NamedTuple):
    """What a Snapshot has of Secrets, by their names: see there. Never a value."""

    reasons: Mapping[str, Mapping[str, str | None]] = {}
    databases: Mapping[str, str] = {}
    owners: Mapping[str, frozenset[str]] = {}
    key_sets: Mapping[str, KeySet] = {}


def describe_secrets(found: Mapping[str, Manifest], used: UsedKeys, store: str) -> Secrets:
    """Return what a Snapshot of a BookStore has of its Secrets, by their names."""
    data = {name: secret.get("data") or {} for name, secret in found.items()}
    own = {
        name: secret["metadata"] for name, secret in found.items() if store_name_of(secret) == store
    }
    return Secrets(
        {name: invalid_reasons(data[name], used[name]) for name in found},
        {name: database_digest(data[name], used[name]) for name in found},
        {
            name: frozenset(owner["uid"] for owner in metadata.get("ownerReferences") or ())
            for name, metadata in own.items()
        },
        dict(_key_sets(found, used)),
    )


def _key_sets(found: Mapping[str, Manifest], used: UsedKeys) -> Iterator[tuple[str, KeySet]]:
    for name, secret in found.items():
        for key, content in used[name].items():
            if content is Content.SIGNING_KEYS and (key_set := describe_key_set(secret, key)):
                yield name, key_set


@dataclass(frozen=True, slots=True)
class SecretWords:
    """The reasons and texts for messages about one kind of Secret."""

    missing: Reason
    incomplete: Reason
    malformed: Reason
    what: str
    example: str


def check_secret(  # noqa: PLR0913 - one argument per part of the message
    snapshot: Snapshot,
    secret: str,
    keys: list[str],
    words: SecretWords,
    now: datetime,
    *,
    ours: bool,
) -> Answer:
    """Pass if a Secret has valid values for its keys, or if it is `ours` and about to be created.

    Args:
        snapshot: what is observed.
        secret: the name of the Secret.
        keys: the keys that it must have.
        words: the reasons and texts for messages.
        now: the current time.
        ours: the operator creates this Secret, and recreates it.

    """
    again = now + SECRET_POLL
    observed = snapshot.secrets.get(secret, {})
    missing = [key for key in keys if key not in observed]
    listed = " and ".join(f"`{key}`" for key in missing)
    if secret not in snapshot.secrets:
        advice = f"Create it, with {words.what} under the key {listed}."
        message = f"There is no Secret {secret}. {advice}"
        return Passed() if ours else Waiting(words.missing, message, until=again)
    if missing:
        advice = RECREATED if ours else f"Add it: {words.what}."
        message = f"Secret {secret} has no key {listed}. {advice}"
        return Waiting(words.incomplete, message, until=again)
    if invalid := [f"key `{key}` {observed[key]}" for key in keys if observed[key]]:
        advice = RECREATED if ours else f"Correct it: {words.example}."
        message = f"In Secret {secret}, {' and '.join(invalid)}. {advice}"
        return Waiting(words.malformed, message, until=again)
    return Passed()


SECRET_POLL = timedelta(seconds=10)
"""How often to read a Secret: Secrets are not watched, because the operator may not list them."""

RECREATED = "Delete the Secret: the operator recreates it."
