"""What the codes of bookstore-backup mean for a restore: whether to repeat it, and what to do."""

from collections.abc import Mapping

FINAL = frozenset(
    {
        *("usage", "not-found", "no-tools", "pooler", "not-empty", "damaged", "key-missing"),
        *("content-differs", "database-permission-denied", "target-missing", "disk-full"),
    }
)
"""The codes that another attempt would end with, too."""

ADVICE: Mapping[str, str] = {
    "not-found": "See what there is: kubectl bookstore backups.",
    "damaged": "Restore an older backup, and take a new one now.",
    "content-differs": "Restore an older backup, and take a new one now.",
    "key-missing": "Add the private key to `identities` of the Secret in `encryption`.",
    "not-empty": "Restore into an empty database.",
    "no-tools": "Set the operator's --backup-image for the server's major version.",
    "pooler": "Give the Secret a URI that leads to the server itself; name its key in directKey.",
    "disk-full": "Restore into a larger volume.",
    "database-unreachable": "See why the database does not answer.",
    "database-authentication-failed": "Correct user and password in the database's Secret.",
    "database-permission-denied": "Grant the database's role the right that it lacks.",
    "target-authentication-failed": "Correct the Secret with the bucket's credentials.",
    "target-credentials-expired": "Renew the Secret with the bucket's credentials.",
    "target-permission-denied": "Allow the bucket's key to list and get below the prefix.",
    "target-unreachable": "See why the object store does not answer.",
    "target-missing": "Correct the bucket, or the claim with the backups.",
}
"""What to do by code; the message of any other says all there is to say."""


def explain(code: str, message: str) -> str:
    """Return why a restore has failed, and what to do, as sentences."""
    why = message.strip().rstrip(".") or "it ended without saying why"
    return f"{why}. {ADVICE.get(code, '')}".strip()
