"""Targets from their URLs: `file:///backups` and `s3://bucket/prefix`."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bookstore_backup.errors import BackupError, Code
from bookstore_backup.storage.s3 import Bucket, Settings
from bookstore_backup.storage.target import Target
from bookstore_backup.storage.volume import Volume


def open_target(url: str, settings: Settings) -> Target:
    """Return the target of a URL; the settings of an object store are for `s3` only."""
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return Volume(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc and "@" not in parts.netloc:
        return Bucket(replace(settings, bucket=parts.netloc, prefix=unquote(parts.path)))
    raise BackupError(
        Code.USAGE,
        f'"{url.rpartition("@")[2]}" is no target: give file:///FOLDER or s3://BUCKET/PREFIX.',
    )
