"""Encryption in the age format (age-encryption.org/v1), which the `age` program reads too."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import pyrage  # type: ignore[import-untyped]  # it ships no types

from bookstore_backup.errors import BackupError, Code
from bookstore_backup.model.manifest import damaged
from bookstore_backup.storage.stream import HashingReader, PartsWriter, Readable

COPY_BYTES = 256 * 1024


class Writable(Protocol):
    """What takes bytes."""

    def write(self, data: bytes, /) -> int | None:
        """Take bytes."""

    def flush(self) -> None:
        """Pass on what is held back."""


def recipients_in(file: Path | None) -> tuple[str, ...]:
    """Return the public keys in a file, one a line; none without a file. Raises BackupError."""
    lines = _lines(file, "--recipients-file")
    for line in lines:
        try:
            pyrage.x25519.Recipient.from_str(line)
        except pyrage.RecipientError as error:
            raise BackupError(
                Code.USAGE,
                f"{file} has a line that is no public key of age ({error}): each begins with "
                "`age1`. `age-keygen -y KEY_FILE` prints the one of a key.",
            ) from error
    return lines


def identities_in(file: Path | None) -> list[pyrage.x25519.Identity]:
    """Return the private keys in a file, one a line; none without a file. Raises BackupError."""
    try:
        return [pyrage.x25519.Identity.from_str(line) for line in _lines(file, "--identities-file")]
    except pyrage.IdentityError as error:
        raise BackupError(
            Code.USAGE,
            f"{file} has a line that is no private key of age ({error}): each begins with "
            "`AGE-SECRET-KEY-1`. `age-keygen` makes one.",
        ) from error


def store_stream(source: HashingReader, writer: PartsWriter, recipients: Sequence[str]) -> None:
    """Write a stream into parts, encrypted if there are recipients."""
    if not recipients:
        while chunk := source.read(COPY_BYTES):
            writer.write(chunk)
        return
    keys = [pyrage.x25519.Recipient.from_str(line) for line in recipients]
    try:
        pyrage.encrypt_io(source, writer, keys)
    except (pyrage.EncryptError, OSError) as error:
        raise source.error or writer.error or error from error


def read_stream(
    source: Readable,
    sink: Writable,
    *,
    name: str,
    recipients: Sequence[str],
    identities: Sequence[pyrage.x25519.Identity],
) -> None:
    """Write a stored stream into a sink, decrypted if it has recipients; raises BackupError."""
    if not recipients:
        while chunk := source.read(COPY_BYTES):
            sink.write(chunk)
        return
    check_key(name, recipients, identities)
    guarded = _Guard(sink)
    try:
        pyrage.decrypt_io(source, guarded, list(identities))
    except (pyrage.DecryptError, OSError) as error:
        inner = getattr(source, "error", None) or guarded.error
        if inner is not None:
            raise inner from error
        raise damaged(name, f"it can't be decrypted ({error})") from error


def check_key(
    name: str, recipients: Sequence[str], identities: Sequence[pyrage.x25519.Identity]
) -> None:
    """Raise BackupError unless one of the keys opens a backup."""
    if not recipients or {str(key.to_public()) for key in identities} & set(recipients):
        return
    raise BackupError(
        Code.KEY_MISSING,
        f'The backup "{name}" is encrypted to {", ".join(recipients)}, and '
        + ("none of the given keys is one of them" if identities else "no key is given")
        + ". Add the private key to the file of --identities-file; without it this backup is lost.",
    )


class _Guard:
    """Keeps the error of a sink, which pyrage would replace by its own."""

    def __init__(self, sink: Writable) -> None:
        self._sink = sink
        self.error: BaseException | None = None

    def write(self, data: bytes, /) -> int:
        try:
            self._sink.write(data)
        except BaseException as error:
            self.error = error
            raise
        return len(data)

    def flush(self) -> None:
        """Do nothing: whoever made the sink flushes it."""


def _lines(file: Path | None, option: str) -> tuple[str, ...]:
    if file is None:
        return ()
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BackupError(
            Code.USAGE, f"{file} can't be read: {error}. Correct {option}."
        ) from error
    lines = (line.strip() for line in text.splitlines())
    found = tuple(dict.fromkeys(line for line in lines if line and not line.startswith("#")))
    if not found:
        raise BackupError(Code.USAGE, f"{file} has no key: give one a line, or leave {option} out.")
    return found
