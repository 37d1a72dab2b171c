"""Access keys of an object store, read from files again and again, so that they can be renewed."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from bookstore_backup.errors import BackupError, Code

if TYPE_CHECKING:
    from obstore.store import S3Credential

READ_AGAIN = timedelta(seconds=30)
# A Secret's keys, as the mounted folder has them; upper case is what `env` of others calls them.
_ID = ("access-key-id", "accessKeyId", "AWS_ACCESS_KEY_ID", "ACCESS_KEY_ID")
_SECRET = ("secret-access-key", "secretAccessKey", "AWS_SECRET_ACCESS_KEY", "ACCESS_SECRET_KEY")
_TOKEN = ("session-token", "sessionToken", "AWS_SESSION_TOKEN", "ACCESS_SESSION_TOKEN")


class CredentialFiles:
    """A folder with the keys of a Secret, such as a mounted one."""

    def __init__(self, folder: Path) -> None:
        """Check that the files are there; raises BackupError."""
        self._folder = folder
        self()

    def __call__(self) -> "S3Credential":
        """Return what the files say now; the client asks again before it counts as expired."""
        return {
            "access_key_id": self._required(_ID),
            "secret_access_key": self._required(_SECRET),
            "token": self._read(_TOKEN),
            "expires_at": datetime.now(UTC) + READ_AGAIN,
        }

    def _required(self, names: tuple[str, ...]) -> str:
        value = self._read(names)
        if value is None:
            raise BackupError(
                Code.USAGE,
                f"{self._folder} has no file {names[0]}: mount the Secret with the object store's "
                f"keys there ({_ID[0]}, {_SECRET[0]}, and {_TOKEN[0]} where there is one).",
            )
        return value

    def _read(self, names: tuple[str, ...]) -> str | None:
        for name in names:
            try:
                text = (self._folder / name).read_text("utf-8").strip()
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (OSError, UnicodeDecodeError) as error:
                raise BackupError(
                    Code.USAGE, f"{self._folder / name} can't be read: {error}."
                ) from error
            if re.search(r"\s", text):
                raise BackupError(
                    Code.USAGE,
                    f"{self._folder / name} has white space inside the key: store it without.",
                )
            if text:
                return text
        return None
