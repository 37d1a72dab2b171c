"""Write files into a compressed archive."""

import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

from kubectl_bookstore.errors import ExitCode, PluginError

_FOR_ITS_OWNER = 0o600


def write_archive(target: Path, folder: str, files: Mapping[str, str], seconds: int) -> None:
    """Write a new tar.gz that only its owner may read; none is left if that fails.

    Args:
        target: the file, which must not exist.
        folder: the folder that all files are in.
        files: their texts by path.
        seconds: their time, in seconds since 1970.

    Raises:
        PluginError: it can't be written.

    """
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FOR_ITS_OWNER)
    except OSError as error:
        message = f"{target} can't be created: {error.strerror}. Choose another file with --file."
        raise PluginError(message, ExitCode.USAGE) from error
    try:
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as tar:
            for path, text in sorted(files.items()):
                data = text.encode("utf-8", "replace")
                member = tarfile.TarInfo(f"{folder}/{path}")
                member.size, member.mtime, member.mode = len(data), seconds, _FOR_ITS_OWNER
                tar.addfile(member, io.BytesIO(data))
    except OSError as error:
        target.unlink(missing_ok=True)
        raise PluginError(f"{target} can't be written: {error.strerror}.") from error
    except BaseException:
        target.unlink(missing_ok=True)
        raise
