"""What is waited for after a write that the API server did not carry out, and what to do."""

from bookstore_operator.core.gate import Waiting
from bookstore_operator.core.kinds import CLAIMS
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Cause, Rejection
from bookstore_operator.core.webhooks import ADVICE, failed_webhook

RETRYING = "Retrying at least every 5 min."
"""The delay grows with each failure (runtime/workqueue.py), but this message must not change."""


def rejected(rejection: Rejection) -> Waiting:
    """Return what a BookStore waits for after a write or a read that was not carried out."""
    target, cause = rejection.target, rejection.message.rstrip(".")
    if rejection.cause is Cause.INTERNAL:
        message = f"The operator could not reconcile this BookStore: {cause}. See its log."
        return Waiting(Reason.RECONCILE_ERROR, f"{message} {RETRYING}", stalled=True)
    if webhook := failed_webhook(cause):
        message = (
            f"The API server can't write {target.kind} {target.name}, because webhook {webhook} "
            f"does not answer as it should: {cause}. {ADVICE}"
        )
        return Waiting(Reason.WEBHOOK_FAILED, f"{message} {RETRYING}", stalled=True)
    if rejection.cause is Cause.FAILED:
        message = f"The API server fails at {target.kind} {target.name}: {cause}."
        return Waiting(Reason.API_SERVER_ERROR, f"{message} {RETRYING}")
    if rejection.reason == Reason.NAME_CONFLICT:
        return Waiting(Reason.NAME_CONFLICT, f"{rejection.message} {RETRYING}", stalled=True)
    message = f"The API server rejects {target.kind} {target.name}: {cause}."
    if "exceeded quota" in cause:
        advice = "Raise the quota, or request less."
        return Waiting(Reason.QUOTA_EXCEEDED, f"{message} {advice} {RETRYING}", stalled=True)
    advice = "Fix the cause."
    if target.kind == CLAIMS.kind and "resize" in cause:
        advice = (
            "Set its size in the spec back, or allow its StorageClass to expand volumes "
            "(allowVolumeExpansion)."
        )
    return Waiting(Reason.APPLY_REJECTED, f"{message} {advice} {RETRYING}", stalled=True)
