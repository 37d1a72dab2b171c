"""Ensure the Secret of the signing keys, if the spec names none, and rotate its keys."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from bookstore_operator.components.signing_keys.loading import mounts_keys
from bookstore_operator.components.signing_keys.manifests import FIRST_KEYS, keys_secret
from bookstore_operator.components.signing_keys.rotation import rotate
from bookstore_operator.components.signing_keys.secrets import is_ours, signing_secret
from bookstore_operator.core import history
from bookstore_operator.core.ensure import ensure_secret
from bookstore_operator.core.kinds import BOOKSTORES
from bookstore_operator.core.measurements import Measurement
from bookstore_operator.core.plan import Action, Event, EventType
from bookstore_operator.core.snapshot import Snapshot

_STEPS = frozenset({"SigningKeyPublished", "SigningKeySigns", "SigningKeyRetired"})
"""The reasons of the steps that are posted as events."""


class KeyProgress(NamedTuple):
    """What is done about the signing keys."""

    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    due: datetime | None = None


def ensure_signing_keys(snapshot: Snapshot) -> Iterator[Action]:
    """Yield the Secret with a first key. A lost one is recreated: the keys can't be had again."""
    store = snapshot.store
    if is_ours(store):
        why = "There are no signing keys yet."
        yield from ensure_secret(snapshot, keys_secret(store), FIRST_KEYS, why)


def advance_keys(snapshot: Snapshot, now: datetime) -> KeyProgress:
    """Return the next step of a rotation, and what to measure for the one after it."""
    about = BOOKSTORES.ref(snapshot.store.name)
    rotation = rotate(snapshot, now)
    step = rotation.step
    events = (
        [Event(about, EventType.WARNING, "SigningKeysLost", lost)]
        if (lost := _loss(snapshot))
        else []
    )
    if step and step.reason in _STEPS:
        events.append(Event(about, EventType.NORMAL, step.reason, step.message))
    return KeyProgress((step,) if step else (), tuple(events), rotation.measurements, rotation.due)


def _loss(snapshot: Snapshot) -> str:
    """Return what it means that the operator's Secret is missing; empty if it never was there."""
    name, active = signing_secret(snapshot.store), history.active(snapshot)
    if not is_ours(snapshot.store) or name in snapshot.secrets or active is None:
        return ""
    if not mounts_keys(snapshot, active):
        return ""
    return (
        f"Secret {name} was deleted, and its keys with it: the API rejects access tokens that were "
        "signed with them, and clients get new ones with their refresh tokens. Another key is made."
    )
