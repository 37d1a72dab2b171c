"""Rotate the signing keys so that no valid token is ever refused.

Publish a key, and when every Pod has loaded it, sign with it. When every Pod signs with it, and no
token of the key before is valid any more, retire that one. A step is one write of the Secret, which
has the record of the states, too: a Pod may load it at once or a minute later, and what was loaded
is asked of each Pod. So it does not matter where the operator is killed, or how often it looks.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from bookstore_operator.components.signing_keys.loading import Loading, loading
from bookstore_operator.components.signing_keys.records import (
    KeyRecord,
    KeyRecords,
    corrected,
    read_records,
    request_of,
)
from bookstore_operator.components.signing_keys.secrets import find_key_set, is_ours, signing_secret
from bookstore_operator.core.contract import MOST_SIGNING_KEYS, TOKEN_SECONDS
from bookstore_operator.core.key_sets import KeySet
from bookstore_operator.core.kinds import SECRETS
from bookstore_operator.core.labels import SIGNING_KEYS_ANNOTATION
from bookstore_operator.core.measurements import LoadedKeys, Measurement
from bookstore_operator.core.plan import GENERATED_ID, ChangeKeySet
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.status import KeyState

RETIRE_AFTER = timedelta(seconds=TOKEN_SECONDS + 90)
"""After the last Pod signs with another key: the life of a token, and 90 s for a request that was
about to sign, and for clocks of nodes that differ."""
LOAD_DEADLINE = timedelta(minutes=15)
"""After which a Pod that has not loaded a change is reported. It is waited for nevertheless."""


class Rotation(NamedTuple):
    """The next step of a rotation, or what it waits for."""

    step: ChangeKeySet | None = None
    loading: Loading | None = None
    """Which Pods are waited for; None: none is."""
    deadline: datetime | None = None
    """When these are reported."""
    due: datetime | None = None
    """When there may be a next step without an event; None if only by the schedule."""

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """What to measure for the next step."""
        return self.loading.measurements if self.loading and self.step is None else ()


def rotate(snapshot: Snapshot, now: datetime) -> Rotation:
    """Return the next step; nothing for keys that are not the operator's, missing or malformed."""
    key_set = find_key_set(snapshot)
    if key_set is None or not is_ours(snapshot.store):
        return Rotation()
    recorded = read_records(key_set.record)
    records = corrected(recorded, key_set, snapshot.store, now)
    if records != recorded and (recorded is None or recorded.keys):
        why = "The record of the signing keys is not as the Secret is."
        return Rotation(_change(snapshot, records, "Record", why))
    return _next_step(snapshot, key_set, records, now)


def _next_step(snapshot: Snapshot, key_set: KeySet, records: KeyRecords, now: datetime) -> Rotation:
    """Return the first of the steps that is due: retire, sign, confirm, publish."""
    retiring = records.in_state(KeyState.RETIRING)
    if old := [kid for kid, record in retiring.items() if _is_over(record, now)]:
        return Rotation(_retire(snapshot, records, old))
    if published := records.in_state(KeyState.PUBLISHED):
        return _sign_or_wait(snapshot, records, published, now)
    if unconfirmed := [kid for kid, record in retiring.items() if record.unused_since is None]:
        return _confirm_or_wait(snapshot, key_set, records, unconfirmed, now)
    if _is_wanted(snapshot.store, records, now) and len(key_set.kids) < MOST_SIGNING_KEYS:
        return Rotation(_publish(snapshot, key_set, records, now))
    return Rotation(due=_next_end(records))


def next_rotation(store: BookStore, records: KeyRecords) -> datetime | None:
    """Return when the next key is published by schedule; None: only on demand."""
    days = store.spec.signing_keys.rotate_every_days
    begun = [record.signing_at for record in records.in_state(KeyState.SIGNING).values()]
    return begun[0] + timedelta(days=days) if days and begun and begun[0] else None


def _is_wanted(store: BookStore, records: KeyRecords, now: datetime) -> bool:
    """Whether a rotation is due, by the schedule or because somebody asks for it."""
    request, scheduled = request_of(store), next_rotation(store, records)
    return bool(request and request != records.request) or bool(scheduled and now >= scheduled)


def _next_end(records: KeyRecords) -> datetime | None:
    """Return when the next key is retired.

    The schedule needs no visit of its own: each BookStore is visited every ten minutes anyway.
    """
    retiring = records.in_state(KeyState.RETIRING).values()
    ends = (record.unused_since + RETIRE_AFTER for record in retiring if record.unused_since)
    return min(ends, default=None)


def _is_over(record: KeyRecord, now: datetime) -> bool:
    """Whether no token that a key has signed is valid any more."""
    return record.unused_since is not None and now >= record.unused_since + RETIRE_AFTER


def _publish(
    snapshot: Snapshot, key_set: KeySet, records: KeyRecords, now: datetime
) -> ChangeKeySet:
    keys = {**records.keys, GENERATED_ID: KeyRecord(published_at=now)}
    after = records.but(request=request_of(snapshot.store), keys=keys)
    message = (
        "Another signing key is published. It signs once every Pod has loaded it; until then "
        f"{key_set.signing} does."
    )
    return replace(_change(snapshot, after, "SigningKeyPublished", message), publishes=True)


def _sign_or_wait(
    snapshot: Snapshot,
    records: KeyRecords,
    published: Mapping[str, KeyRecord],
    now: datetime,
) -> Rotation:
    """Sign with the key that was published, when every Pod verifies with it."""
    kid, record = next(iter(published.items()))
    since = record.published_at

    def has(loaded: LoadedKeys) -> bool:
        return kid in (loaded.kids or ())

    loads = loading(snapshot, since, now, has)
    if not loads.done:
        return _waiting(records, loads, since)
    message = f"Every Pod has loaded signing key {kid}, which signs from now on."
    step = _change(snapshot, records.signing(kid, now), "SigningKeySigns", message)
    return Rotation(replace(step, signing=kid))


def _confirm_or_wait(
    snapshot: Snapshot,
    key_set: KeySet,
    records: KeyRecords,
    unconfirmed: list[str],
    now: datetime,
) -> Rotation:
    """Record since when keys are unused, when every Pod signs with another one."""
    changed = max(records.keys[kid].superseded_at or now for kid in unconfirmed)

    def has(loaded: LoadedKeys) -> bool:
        return loaded.signing == key_set.signing and loaded.at >= changed

    loads = loading(snapshot, changed, now, has)
    if not loads.done:
        return _waiting(records, loads, changed)
    unused = {
        kid: records.keys[kid].model_copy(update={"unused_since": now}) for kid in unconfirmed
    }
    after = records.but(keys={**records.keys, **unused})
    message = f"Every Pod signs with {key_set.signing}: unused are {', '.join(unconfirmed)}."
    return Rotation(_change(snapshot, after, "Record", message))


def _waiting(records: KeyRecords, loads: Loading, since: datetime) -> Rotation:
    deadline = since + LOAD_DEADLINE
    return Rotation(
        loading=loads, deadline=deadline, due=min(deadline, _next_end(records) or deadline)
    )


def _retire(snapshot: Snapshot, records: KeyRecords, old: list[str]) -> ChangeKeySet:
    keys = {kid: record for kid, record in records.keys.items() if kid not in old}
    message = f"No token that was signed with {', '.join(old)} is valid any more: retired."
    step = _change(snapshot, records.but(keys=keys), "SigningKeyRetired", message)
    return replace(step, retires=tuple(old))


def _change(snapshot: Snapshot, records: KeyRecords, reason: str, message: str) -> ChangeKeySet:
    """Return a write of the record, for which the Secret must be as it was observed."""
    secret = signing_secret(snapshot.store)
    return ChangeKeySet(
        SECRETS.ref(secret),
        snapshot.key_sets[secret].version,
        snapshot.store.spec.signing_keys.key,
        {SIGNING_KEYS_ANNOTATION: records.text()},
        reason,
        message,
    )
