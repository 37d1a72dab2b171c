"""A bucket of an S3-compatible object store as a target.

Each object is one PUT, whose body is in memory: so the client can send it again, with new
credentials too, and nothing is left behind that is billed and not seen, as with multipart uploads.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from bookstore_backup.errors import BackupError, Code
from bookstore_backup.model import problems
from bookstore_backup.storage.credentials import CredentialFiles
from bookstore_backup.storage.target import CHUNK_BYTES, ObjectMissingError, Stored

T = TypeVar("T")
POLL_SECONDS = 1.0
_GARBLED = re.compile(r"BadDigest|ContentSHA256Mismatch|IncompleteBody|RequestTimeout<")


@dataclass(frozen=True)
class Patience:
    """How long a request is tried again."""

    retries: int = 8
    first_backoff: float = 0.2
    most_backoff: float = 15.0
    all_retries: float = 180.0
    one_request: float = 300.0
    renewal: float = 180.0  # the kubelet shows a changed Secret within about two minutes


@dataclass(frozen=True)
class Settings:
    """Where the bucket is and how to speak to it."""

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    path_style: bool = True
    ca_bundle: Path | None = None
    checksum: str | None = None
    credentials: Path | None = None
    patience: Patience = field(default_factory=Patience)


class Bucket:
    """Objects below a prefix of a bucket."""

    def __init__(self, settings: Settings) -> None:
        """Use what the settings name; nothing is asked yet. Raises BackupError."""
        self._settings = settings
        files = settings.credentials and CredentialFiles(settings.credentials)
        self._renewable = bool(files)
        self._prefix = f"{settings.prefix.strip('/')}/" if settings.prefix.strip("/") else ""
        try:
            self._store = S3Store(
                settings.bucket,
                config=_config(settings),  # type: ignore[arg-type]  # keys that are None are left out
                client_options=_client_options(settings),
                retry_config=_retries(settings.patience),
                credential_provider=files or None,
            )
        except (BaseError, ValueError, TypeError) as error:
            raise BackupError(
                Code.USAGE, f"{self.where} can't be used: {problems.clean(str(error))}."
            ) from error

    @property
    def where(self) -> str:
        """The bucket and its endpoint."""
        endpoint = self._settings.endpoint
        return f"the bucket {self._settings.bucket}" + (f" at {endpoint}" if endpoint else "")

    def put(self, key: str, data: bytes) -> None:
        """Store an object by one request."""
        path = self._prefix + key
        self._try(
            f"Storing {key}",
            lambda: obstore.put(self._store, path, data, use_multipart=False),
        )

    def get(self, key: str) -> Iterator[bytes]:
        """Yield the content of an object."""
        doing = f"Reading {key}"
        path = self._prefix + key
        try:
            result = self._try(doing, lambda: obstore.get(self._store, path))
            stream = iter(result.stream(CHUNK_BYTES))
            while (chunk := self._try(doing, lambda: next(stream, None))) is not None:
                yield bytes(chunk)
        except FileNotFoundError as error:
            raise ObjectMissingError(key) from error

    def objects(self, prefix: str) -> list[Stored]:
        """Return the objects whose keys begin so."""
        found = self._try(f"Listing {prefix or '/'}", lambda: list(self._listed(prefix)))
        return sorted(found, key=lambda stored: stored.key)

    def dumps_at_root(self) -> list[Stored]:
        """Return none: older operators wrote to volumes only."""
        return []

    def delete(self, key: str) -> None:
        """Delete an object by a request of its own: some stores reject batches."""
        path = self._prefix + key
        try:
            self._try(f"Deleting {key}", lambda: obstore.delete(self._store, path))
        except FileNotFoundError:
            return

    def _listed(self, prefix: str) -> Iterator[Stored]:
        for page in obstore.list(self._store, prefix=(self._prefix + prefix) or None):
            for item in page:
                key = item["path"].removeprefix(self._prefix)
                yield Stored(key, item["size"])

    def _try(self, doing: str, request: Callable[[], T]) -> T:
        """Do a request; again where the client would not, though its body is still here.

        That is with new credentials, where they come from files that are renewed, and after the
        store has rejected a body that arrived as another one.
        """
        patience = self._settings.patience
        deadline = time.monotonic() + patience.renewal
        garbled = 0
        while True:
            try:
                return request()
            except (BaseError, OSError, ValueError) as error:
                if isinstance(error, (NotFoundError, FileNotFoundError)) and not _no_bucket(error):
                    raise FileNotFoundError(doing) from error
                failed, cause = self._failed(doing, error), error
            expired = self._renewable and failed.code is Code.TARGET_CREDENTIALS_EXPIRED
            if expired and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
            elif _GARBLED.search(str(cause)) and garbled < patience.retries:
                garbled += 1
                time.sleep(min(patience.first_backoff * 2**garbled, patience.most_backoff))
            else:
                raise failed from cause

    def _failed(self, doing: str, error: Exception) -> BackupError:
        return problems.of_storage(f"{doing} in {self.where}", str(error))


def _no_bucket(error: Exception) -> bool:
    return "NoSuchBucket" in str(error)


def _config(settings: Settings) -> Mapping[str, Any]:
    given = {
        "endpoint": settings.endpoint,
        "region": settings.region,
        "virtual_hosted_style_request": not settings.path_style,
        "checksum_algorithm": settings.checksum,
    }
    return {name: value for name, value in given.items() if value is not None}


def _client_options(settings: Settings) -> Any:
    options: dict[str, Any] = {
        "connect_timeout": timedelta(seconds=10),
        "timeout": timedelta(seconds=settings.patience.one_request),
        "allow_http": (settings.endpoint or "").startswith("http://"),
        "user_agent": "bookstore-backup",
    }
    if settings.ca_bundle is not None:
        try:
            options["root_certificate"] = settings.ca_bundle.read_bytes()
        except OSError as error:
            raise BackupError(
                Code.USAGE, f"The CA bundle can't be read: {error}. Correct --ca-bundle."
            ) from error
    return options


def _retries(patience: Patience) -> Any:
    return {
        "max_retries": patience.retries,
        "retry_timeout": timedelta(seconds=patience.all_retries),
        "backoff": {
            "init_backoff": timedelta(seconds=patience.first_backoff),
            "max_backoff": timedelta(seconds=patience.most_backoff),
            "base": 2,
        },
    }
