"""Fetches published files, and trusts nothing but their checksums."""

import functools
import hashlib
import shutil
import tarfile
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

from devcluster import disk
from devcluster.errors import DevclusterError
from devcluster.releases import Release

_REACH_SECONDS = 3.0
_STALL_SECONDS = 30.0
_CHUNK = 1 << 20


class DownloadError(DevclusterError):
    """A published file could not be fetched, or is not the one that was pinned."""


def is_reachable(url: str) -> bool:
    """Whether the host of `url` answers within 3 s. A process asks each host once."""
    parts = urllib.parse.urlsplit(url)
    return _answers(f"{parts.scheme}://{parts.netloc}/")


@functools.cache
def _answers(root: str) -> bool:
    answered = threading.Event()

    def ask() -> None:
        try:
            request = urllib.request.Request(root, method="HEAD")  # noqa: S310  # https, from releases.py
            urllib.request.urlopen(request, timeout=_REACH_SECONDS).close()  # noqa: S310
        except urllib.error.HTTPError:
            pass  # any answer of the host will do
        except (OSError, ValueError):
            return
        answered.set()

    # In a thread, because looking up a name has no time limit of its own.
    threading.Thread(target=ask, daemon=True).start()
    return answered.wait(_REACH_SECONDS)


def fetch(release: Release, folder: Path, update: Callable[[str], None]) -> None:
    """Put the programs of `release` into `folder`.

    `update` gets the progress in words. Raises DownloadError, or OSError if the disk is full.
    """
    archive = folder / ".archive"
    try:
        _copy(release, archive, update)
        update("unpacking")
        for program, member in release.members.items():
            _unpack(archive, member, folder / program)
    except (OSError, tarfile.TarError, KeyError) as error:
        if disk.is_full(error):
            raise  # building needs even more
        raise DownloadError(f"{release.url} could not be fetched: {error}") from error
    finally:
        archive.unlink(missing_ok=True)


def _copy(release: Release, target: Path, update: Callable[[str], None]) -> None:
    digest = hashlib.new(release.algorithm)
    with (
        urllib.request.urlopen(release.url, timeout=_STALL_SECONDS) as source,  # noqa: S310
        target.open("wb") as file,
    ):
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            file.write(chunk)
            update(f"{file.tell() >> 20} of about {release.megabytes} MB")
    if digest.hexdigest() != release.digest:
        raise DownloadError(
            f"{release.url} is not the file that was pinned "
            f"({release.algorithm} {digest.hexdigest()[:16]}…, not {release.digest[:16]}…)."
        )


def _unpack(archive: Path, member: str, target: Path) -> None:
    if not member:
        shutil.copyfile(archive, target)
    else:
        with tarfile.open(archive) as tar:
            source = tar.extractfile(member)
            if source is None:
                raise KeyError(member)
            with source, target.open("wb") as file:
                shutil.copyfileobj(source, file, _CHUNK)
    target.chmod(0o755)
