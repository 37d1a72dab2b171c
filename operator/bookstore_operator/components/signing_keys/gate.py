"""Whether the Secret of the signing keys, which a release's Pods mount, is valid."""

from datetime import datetime

from bookstore_operator.components.signing_keys.secrets import is_ours, signing_keys
from bookstore_operator.core.gate import Answer
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.secrets import SecretWords, check_secret
from bookstore_operator.core.snapshot import Snapshot

SIGNING = SecretWords(
    Reason.SIGNING_SECRET_MISSING,
    Reason.SIGNING_SECRET_INCOMPLETE,
    Reason.SIGNING_SECRET_MALFORMED,
    'a key set such as {"signing": "k1", "keys": {"k1": "…"}}',
    "each key is what `openssl rand -hex 32` prints, and one of them is named to sign with",
)


def signing_secret_valid(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass if the Secret of the signing keys is valid, or about to be created by the operator."""
    ((secret, keys),) = signing_keys(snapshot.store).items()
    ours = is_ours(snapshot.store)
    return check_secret(snapshot, secret, list(keys), SIGNING, now, ours=ours)
