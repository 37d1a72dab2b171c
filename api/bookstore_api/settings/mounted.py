"""Secrets that are mounted as files: read when the process starts, and again when one is used."""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from bookstore_api.settings.errors import SettingsError

# Of each setting that may be mounted, the file below BOOKSTORE_SECRETS_DIR.
FILES = MappingProxyType(
    {
        "database_url": Path("database/uri"),
        "database_direct_url": Path("database/direct-uri"),
        "redis_url": Path("redis/uri"),
        "staff_token": Path("staff/token"),
    }
)


@dataclass(frozen=True)
class Unreadable:
    """Stands for the value of a secret that is there and can't be read."""

    problem: str


def read_mounted(folder: Path, setting: str) -> str | None:
    """Read the secret of a setting as it is now; None where it is not mounted, or blank.

    Raises SettingsError where there is a file that can't be read.
    """
    path = folder / FILES[setting]
    text = read_secret(path)
    if isinstance(text, Unreadable):
        msg = f"The secret {path} can't be used. {text.problem}"
        raise SettingsError(msg)
    return text


def read_secret(path: Path) -> str | Unreadable | None:
    """Read a file with a secret, without the white space around it."""
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError:
        return Unreadable("It is not text in UTF-8.")
    except (OSError, ValueError) as error:  # ValueError: a path that no file can have
        return Unreadable(f"It can't be read ({type(error).__name__}): check its owner and mode.")
