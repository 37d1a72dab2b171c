"""The proof that a target can be used: put, read back, list, delete."""

import secrets

from bookstore_backup.errors import BackupError, Code
from bookstore_backup.storage.target import ObjectMissingError, Target


def probe(target: Target, store: str) -> None:
    """Raise BackupError unless the target takes, gives back, lists and deletes an object."""
    key = f"{store}/.probe-{secrets.token_hex(8)}"
    content = secrets.token_bytes(4096)
    target.put(key, content)
    try:
        _check(target, key, content)
    finally:
        target.delete(key)
    if any(stored.key == key for stored in target.objects(f"{store}/")):
        raise _unfit(target, "lists an object that was deleted")


def _check(target: Target, key: str, content: bytes) -> None:
    try:
        same = b"".join(target.get(key)) == content
    except ObjectMissingError as error:
        raise _unfit(target, "does not give back an object right after it was stored") from error
    if not same:
        raise _unfit(target, "gives back something else than was stored")
    if not any(stored.key == key for stored in target.objects(key.partition("/")[0] + "/")):
        raise _unfit(target, "does not list an object that was stored")


def _unfit(target: Target, what: str) -> BackupError:
    return BackupError(
        Code.READ_BACK_FAILED,
        f"{target.where} {what}. It can't hold backups: use another target, or another setting "
        "of checksums (--s3-checksum).",
    )
