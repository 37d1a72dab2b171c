"""What the codes of bookstore-backup mean for a BookStore: which field or Secret to change.

The tool's own message says what went wrong, and knows no Kubernetes. docs/reference/backups.md has
this table.
"""

from collections.abc import Mapping

from bookstore_operator.core import names
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.workloads.pod_causes import full_volume_advice

ADVICE: Mapping[str, str] = {
    "usage": "Correct the Secret or the field of spec.backup that the message names.",
    "database-unreachable": "See why the database does not answer; the next backup tries again.",
    "database-authentication-failed": "Correct user and password in the database's Secret.",
    "database-permission-denied": "Grant the role of the Secret the right that it lacks.",
    "database-changed": "Change no tables by hand while a backup runs; the next one tries again.",
    "database-locked": "Wait for the migration, restore or backup that runs, then back up again.",
    "pooler": "Set spec.database.external.directKey to a URI that leads to the server itself.",
    "no-tools": "Set the operator's --backup-image=MAJOR=IMAGE for the server's major version.",
    "target-authentication-failed": "Correct the Secret of "
    "spec.backup.target.s3.credentialsSecretName.",
    "target-credentials-expired": "Renew the keys in the Secret of "
    "spec.backup.target.s3.credentialsSecretName; they are read again while a backup runs.",
    "target-permission-denied": "Allow the key of spec.backup.target.s3.credentialsSecretName to "
    "put, get, list and delete below the prefix.",
    "target-unreachable": "See why the object store of spec.backup.target.s3 does not answer; the "
    "next backup tries again.",
    "target-missing": "Create the bucket, or correct spec.backup.target.s3.bucket.",
    "key-missing": "Add the private key to `identities` in the Secret of spec.backup.encryption.",
    "read-back-failed": "Check the target's storage, then back up again.",
}
"""What to do by code; the message of any other says all there is to say."""


def advice(store: BookStore, code: str) -> str:
    """Return what to do about a code of the tool, as a sentence; empty if there is nothing more."""
    backup = store.spec.backup
    if code == "disk-full":
        if backup and backup.volume:
            return full_volume_advice(names.backup(store.name), backup.volume_field)
        return "Raise the quota of the bucket of spec.backup.target.s3, or free space in it."
    return ADVICE.get(code, "")
