"""Whether the Secret of the staff token, which a release's Pods mount, is valid."""

from datetime import datetime

from bookstore_operator.components.staff.secrets import staff_keys
from bookstore_operator.core.gate import Answer
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.secrets import SecretWords, check_secret
from bookstore_operator.core.snapshot import Snapshot

STAFF = SecretWords(
    Reason.STAFF_SECRET_MISSING,
    Reason.STAFF_SECRET_INCOMPLETE,
    Reason.STAFF_SECRET_MALFORMED,
    "a random token of 32 characters at least",
    "openssl rand -hex 32 generates one",
)


def staff_secret_valid(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass if the staff token's Secret is valid, or about to be created by the operator."""
    ((secret, keys),) = staff_keys(snapshot.store).items()
    ours = snapshot.store.spec.staff.secret_name is None
    return check_secret(snapshot, secret, list(keys), STAFF, now, ours=ours)
