"""The manifest: what a backup holds, written last, so that a backup with one is complete."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from bookstore_backup.errors import BackupError, Code

FORMAT_VERSION = 1


class Model(BaseModel):
    """A part of the manifest: immutable, and nothing unknown in it."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )


class Part(Model):
    """One object of the stored dump, as it is stored: encrypted, if the backup is."""

    size: int = Field(ge=1)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Dump(Model):
    """What pg_dump wrote, before encryption."""

    size: int = Field(ge=1)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Collation(Model):
    """The locale of a database."""

    provider: str
    collate: str
    ctype: str
    locale: str | None = None
    version: str | None = None


class Server(Model):
    """The server and the database that were backed up."""

    version: str
    major: int
    system_identifier: str | None = None
    database: str
    encoding: str
    collation: Collation
    extensions: dict[str, str]


class Table(Model):
    """The content of one table: the same for the same rows in any order."""

    rows: int = Field(ge=0)
    checksum: str = Field(pattern="^[0-9a-f]{16}$")


class Contents(Model):
    """What a database holds: tables by quoted name, sequences by their last value."""

    tables: dict[str, Table]
    sequences: dict[str, int]
    large_objects: int = 0
    schema_revisions: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """The rows of all tables."""
        return sum(table.rows for table in self.tables.values())


class Seconds(Model):
    """How long each step took."""

    dump: float
    checksums: float
    read_back: float
    total: float


class Manifest(Model):
    """All that is known of a backup."""

    format_version: Literal[1] = 1
    name: str
    store: str
    reason: str
    started: AwareDatetime
    completed: AwareDatetime
    tool_version: str
    client_version: str
    server: Server
    contents: Contents
    dump: Dump
    parts: tuple[Part, ...] = Field(min_length=1)
    recipients: tuple[str, ...] = ()
    seconds: Seconds
    warnings: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """The bytes that are stored."""
        return sum(part.size for part in self.parts)


def encode(manifest: Manifest) -> bytes:
    """Return a manifest as it is stored, with its own digest."""
    content = manifest.model_dump(mode="json", by_alias=True)
    return json.dumps({**content, "digest": _digest(content)}, indent=1).encode()


def decode(data: bytes, *, store: str, name: str) -> Manifest:
    """Return the manifest of a backup; raises BackupError if it is damaged or another's."""
    try:
        content = json.loads(data)
        digest = content.pop("digest")
        if content.get("formatVersion") != FORMAT_VERSION:
            raise _unknown_version(name, content.get("formatVersion"))
        manifest = Manifest.model_validate(content)
        if digest != _digest(content):
            raise ValueError("its digest does not match")
    except (ValueError, KeyError, AttributeError, TypeError, ValidationError) as error:
        raise damaged(name, f"its manifest can't be read: {_first_line(error)}") from error
    if manifest.store != store:
        raise damaged(name, f'its manifest is of the store "{manifest.store}", not of "{store}"')
    if manifest.name != name:
        raise damaged(name, f'its manifest is of the backup "{manifest.name}"')
    return manifest


def damaged(name: str, why: str) -> BackupError:
    """Return the error for a backup that is not what its manifest says."""
    return BackupError(
        Code.DAMAGED,
        f'The backup "{name}" is damaged: {why}. Restore an older one, which `bookstore-backup '
        "list` names, and take a new one now.",
    )


def utc_now() -> datetime:
    """Return the time, without fractions of a second."""
    return datetime.now(UTC).replace(microsecond=0)


def _digest(content: dict[str, Any]) -> str:
    """Return the digest of a manifest's content, whatever its order and spacing."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _unknown_version(name: str, version: object) -> BackupError:
    return BackupError(
        Code.DAMAGED,
        f'The backup "{name}" has a manifest of format version {version!r}, and this tool reads '
        f"{FORMAT_VERSION}. If a newer bookstore-backup wrote it, use that one.",
    )


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False, include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error).partition("\n")[0] or type(error).__name__
