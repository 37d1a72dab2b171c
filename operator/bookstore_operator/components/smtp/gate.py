"""Whether the Secret of the mail server, which a release's Pods mount, is valid."""

from datetime import datetime

from bookstore_operator.core.gate import Answer, Passed
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.secrets import SecretWords, check_secret
from bookstore_operator.core.snapshot import Snapshot

SMTP = SecretWords(
    Reason.SMTP_SECRET_MISSING,
    Reason.SMTP_SECRET_INCOMPLETE,
    Reason.SMTP_SECRET_MALFORMED,
    "a URI of a mail server (smtp://…)",
    "smtp://user:password@host:587, smtps://user:password@host:465, or smtp://host?tls=off",
)


def smtp_secret_valid(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass if the Secret is valid, or if there is no mail server. Nobody waits for the server."""
    smtp = snapshot.store.spec.smtp
    if smtp is None:
        return Passed()
    return check_secret(snapshot, smtp.secret_name, [smtp.key], SMTP, now, ours=False)
