"""Whether accounts can sign in, and how far the rotation of the keys is."""

from datetime import datetime
from typing import Any

from bookstore_operator.components.signing_keys.gate import signing_secret_valid
from bookstore_operator.components.signing_keys.records import corrected, read_records
from bookstore_operator.components.signing_keys.rotation import Rotation, next_rotation, rotate
from bookstore_operator.components.signing_keys.secrets import find_key_set, is_ours, signing_secret
from bookstore_operator.core.finding import Finding, fails, holds, unknown
from bookstore_operator.core.gate import Answer, Passed
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.status import SIGNING_KEYS_HEALTHY, KeyState, SigningKeysStatus

_MOST_PODS = 3


def signing_keys_healthy(snapshot: Snapshot, visit: Visit, _answer: Answer) -> Finding:
    """Return the SigningKeysHealthy condition."""
    secret = signing_secret(snapshot.store)
    answer = visit.ask(signing_secret_valid, snapshot)
    if not isinstance(answer, Passed):
        return fails(SIGNING_KEYS_HEALTHY, answer.reason, answer.message)
    key_set = find_key_set(snapshot)
    if key_set is None and secret in snapshot.secrets:  # in a plan of who may read no Secret
        return holds(SIGNING_KEYS_HEALTHY, Reason.KEYS_CURRENT, f"Secret {secret} has the keys.")
    if key_set is None:
        message = f"The operator creates Secret {secret} with a first key."
        return unknown(SIGNING_KEYS_HEALTHY, Reason.UPDATING, message)
    rotation = rotate(snapshot, visit.now)
    if rotation.loading and rotation.loading.waits_for:
        return _rotating(rotation, visit.now)
    message = f"{key_set.signing} signs (Secret {secret})."
    return holds(SIGNING_KEYS_HEALTHY, Reason.KEYS_CURRENT, message)


def keys_status(snapshot: Snapshot, now: datetime) -> SigningKeysStatus | None:
    """Return the ids, states and times of the keys; None if there are none. Never a key."""
    store, key_set = snapshot.store, find_key_set(snapshot)
    if key_set is None:
        known = signing_secret(store) in snapshot.secrets or snapshot.blocker
        return store.status.signing_keys if known else None
    if not is_ours(store):
        keys: list[dict[str, Any]] = [
            {"kid": kid, "state": _state_of(kid, key_set.signing)} for kid in key_set.kids
        ]
        return SigningKeysStatus.model_validate({"keys": keys})
    records = corrected(read_records(key_set.record), key_set, store, now)
    return SigningKeysStatus.model_validate(
        {
            "keys": [
                {"kid": kid, "state": record.state, "since": record.since}
                for kid, record in sorted(records.keys.items())
            ],
            "next_rotation_at": next_rotation(store, records),
        }
    )


def _state_of(kid: str, signing: str) -> KeyState:
    """Return the state of a key of the user's, who alone knows what was before."""
    return KeyState.SIGNING if kid == signing else KeyState.PUBLISHED


def _rotating(rotation: Rotation, now: datetime) -> Finding:
    waits_for = rotation.loading.waits_for if rotation.loading else ()
    listed = "; ".join(f"{pod}: {cause}" for pod, cause in waits_for[:_MOST_PODS])
    more = f"; and {len(waits_for) - _MOST_PODS} more" if len(waits_for) > _MOST_PODS else ""
    message = f"{len(waits_for)} Pods have not loaded a change of the keys yet: {listed}{more}."
    if rotation.deadline is None or now < rotation.deadline:
        return holds(SIGNING_KEYS_HEALTHY, Reason.KEYS_ROTATING, message)
    late = (
        f"{message} It was made 15 min ago, so the rotation waits, and all keys stay valid. Let "
        "the Pods be replaced (kubectl rollout restart), or allow the operator to connect to them."
    )
    return fails(SIGNING_KEYS_HEALTHY, Reason.SIGNING_KEY_NOT_LOADED, late)
