"""Prometheus' own programs, from Debian's package, unpacked into devcluster's cache.

`make test` runs this as a program, so that no test waits while they are fetched.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from devcluster.errors import DevclusterError
from devcluster.offline import debian
from devcluster.progress import say


def programs() -> Path:
    """Return the folder of `prometheus` and `promtool`. Raises DevclusterError."""
    return debian.unpacked(("prometheus",), what="Prometheus") / "usr/bin"


def require() -> Path:
    """Return the folder of the programs; skips where they can't be had."""
    try:
        return programs()
    except DevclusterError as error:
        pytest.skip(f"no Prometheus: {error}")


def promtool(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run promtool in a folder, and return how it ended."""
    command: Sequence[str | Path] = (require() / "promtool", *arguments)
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


if __name__ == "__main__":
    try:
        programs()
    except DevclusterError as error:
        say(f"No tests with Prometheus: {error}")
