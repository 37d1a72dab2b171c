"""The record of the states of signing keys: an annotation of their Secret.

So a step and its record are one write, which the API server rejects if the Secret has changed.
"""

import json
from collections.abc import Mapping
from datetime import datetime

from pydantic import Field, ValidationError

from bookstore_operator.core.clock import TOLERANCE
from bookstore_operator.core.key_sets import KeySet
from bookstore_operator.core.labels import ROTATE_ANNOTATION
from bookstore_operator.crd.base import Part, Time
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.status import KeyState

_MOST_REQUEST = 100


class KeyRecord(Part):
    """Since when a key has its state."""

    published_at: Time
    """When Pods could begin to load it."""
    signing_at: Time | None = None
    """When it became the one to sign with; None: it has never signed."""
    superseded_at: Time | None = None
    """When another one became that."""
    unused_since: Time | None = None
    """When every Pod was known to sign with another one."""

    @property
    def state(self) -> KeyState:
        """The state of the key."""
        if self.superseded_at:
            return KeyState.RETIRING
        return KeyState.SIGNING if self.signing_at else KeyState.PUBLISHED

    @property
    def since(self) -> datetime:
        """When the key got its state."""
        return self.superseded_at or self.signing_at or self.published_at


class KeyRecords(Part):
    """The records of all keys of a Secret."""

    request: str = ""
    """The last value of the annotation that asks for a rotation which was carried out."""
    keys: dict[str, KeyRecord] = Field(default_factory=dict)

    def text(self) -> str:
        """Return the records as the annotation's text."""
        return json.dumps(self.manifest(), sort_keys=True)

    def but(self, **changes: object) -> "KeyRecords":
        """Return the records with other fields."""
        return self.model_copy(update=changes)

    def signing(self, kid: str, now: datetime) -> "KeyRecords":
        """Return the records after another key has become the one to sign with."""
        keys = {
            other: record.model_copy(update={"superseded_at": now})
            if record.state is KeyState.SIGNING
            else record
            for other, record in self.keys.items()
        }
        signs = {"signing_at": now, "superseded_at": None, "unused_since": None}
        return self.but(keys={**keys, kid: keys[kid].model_copy(update=signs)})

    def in_state(self, state: KeyState) -> Mapping[str, KeyRecord]:
        """Return the keys of a state, the oldest first."""
        ordered = sorted(self.keys.items(), key=lambda item: (item[1].published_at, item[0]))
        return {kid: record for kid, record in ordered if record.state is state}


def request_of(store: BookStore) -> str:
    """Return what asks for a rotation: each new value is another request; empty: none."""
    return store.metadata.annotations.get(ROTATE_ANNOTATION, "")[:_MOST_REQUEST]


def first_record(store: BookStore) -> KeyRecords:
    """Return the record of a new Secret: its first key signs from the Secret's creation."""
    return KeyRecords(request=request_of(store))


def read_records(text: str) -> KeyRecords | None:
    """Return the records of an annotation; None if there is none, or if it can't be read."""
    try:
        return KeyRecords.model_validate_json(text) if text else None
    except ValidationError:
        return None


def corrected(
    recorded: KeyRecords | None, key_set: KeySet, store: BookStore, now: datetime
) -> KeyRecords:
    """Return the records as the Secret is, which others may have edited.

    What is not known is assumed for the worst: a key of somebody else's may have signed until now.
    """
    known = recorded or first_record(store)
    if not known.keys and key_set.kids == (key_set.signing,):
        first = KeyRecord(published_at=key_set.created_at, signing_at=key_set.created_at)
        return known.but(keys={key_set.signing: _no_later(first, now)})
    keys = {kid: _no_later(known.keys[kid], now) for kid in key_set.kids if kid in known.keys}
    for kid in key_set.kids:
        if kid not in keys:
            signed = {"signing_at": now} if kid == key_set.signing else {"superseded_at": now}
            keys[kid] = KeyRecord(published_at=now, **signed)
        elif kid != key_set.signing and keys[kid].state is KeyState.SIGNING:
            keys[kid] = keys[kid].model_copy(update={"superseded_at": now})
    records = known.but(keys=keys)
    if keys[key_set.signing].state is not KeyState.SIGNING:
        records = records.signing(key_set.signing, now)
    return records


def _no_later(record: KeyRecord, now: datetime) -> KeyRecord:
    """Return a record in which no time is later than now, as core/clock.py does."""
    late = {
        name: now
        for name in type(record).model_fields
        if (time := getattr(record, name)) and time > now + TOLERANCE
    }
    return record.model_copy(update=late) if late else record
