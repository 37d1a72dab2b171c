"""Names of backups, and the keys of their objects in a target.

    STORE/NAME/dump.00001    the parts of the dump, in their order
    STORE/NAME/manifest.json written last
    STORE/NAME/verified.json what the latest `verify` found

A target may be shared by many stores. The slash behind the store's name keeps `shop` apart from
`shop-2`.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from bookstore_backup.errors import BackupError, Code

MANIFEST = "manifest.json"
VERIFIED = "verified.json"
_STORE = re.compile(r"[a-z0-9]([-a-z0-9.]{0,125}[a-z0-9])?")
_NAME = re.compile(r"(\d{8}T\d{6}Z)-[0-9a-f]{6}")
_PART = re.compile(r"dump\.(\d{5})")
# What the CronJob of operators before this tool wrote: a dump alone, at the root of the volume.
_LEGACY = re.compile(r"[a-z0-9][-a-z0-9.]*-(\d{8}T\d{6}Z)\.dump")
_TIME = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Key:
    """An object of a backup."""

    backup: str
    file: str


def check_store(store: str) -> str:
    """Return the name of a store; raises BackupError if it is none."""
    if not _STORE.fullmatch(store) or ".." in store:
        raise BackupError(
            Code.USAGE,
            f'"{store}" can\'t be the name of a store: give lower-case letters, digits, "-" and '
            '".", such as "production.shop" for the BookStore "shop" in "production".',
        )
    return store


def new_name(started: datetime, suffix: str) -> str:
    """Return the name of a backup that began then; the suffix is six hexadecimal digits."""
    return f"{started.astimezone(UTC).strftime(_TIME)}-{suffix}"


def started_at(name: str) -> datetime | None:
    """Return when the backup of this name, or the legacy dump of this file, began."""
    match = _NAME.fullmatch(name) or _LEGACY.fullmatch(name)
    if match is None:
        return None
    try:
        return datetime.strptime(match[1], _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None


def is_legacy(name: str) -> bool:
    """Tell whether this is the file of a dump that an older operator's CronJob wrote."""
    return _LEGACY.fullmatch(name) is not None and started_at(name) is not None


def prefix(store: str) -> str:
    """Return what the keys of all objects of a store begin with."""
    return f"{store}/"


def key(store: str, backup: str, file: str) -> str:
    """Return the key of an object."""
    return f"{store}/{backup}/{file}"


def part_file(number: int) -> str:
    """Return the file name of a part, counted from 1."""
    return f"dump.{number:05}"


def is_part(file: str) -> bool:
    """Tell whether a file is a part of a dump."""
    return _PART.fullmatch(file) is not None


def parse_key(store: str, text: str) -> Key | None:
    """Return which object of this store a key is of; None if it is nothing of this tool's."""
    if not text.startswith(prefix(store)):
        return None
    backup, slash, file = text.removeprefix(prefix(store)).partition("/")
    if not slash or not file or "/" in file or started_at(backup) is None or is_legacy(backup):
        return None
    return Key(backup, file)
