"""The operator and the API of earlier commits, from the repository's own history."""

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMIT = "1c29b28d13a7dd2a0a2e53a6289fddb9183c5ec3"
"""The last commit with four stages: Expand, Start, Switch, Drain."""


API_COMMIT = "7e09ca7838451774380ec3b7fda8392bf5bf5725"
"""The last commit whose catalog was one table of books."""


def checkout(folder: Path) -> Path:
    """Return a folder with the operator and the manifests of that commit.

    Skips the test where the history is missing; in CI a skip is a failure.
    """
    return _extract(COMMIT, folder, "operator/bookstore_operator", "manifests/install.yaml")


def older_api(folder: Path) -> Path:
    """Return a folder for PYTHONPATH with the API of that commit; skips as `checkout` does."""
    return _extract(API_COMMIT, folder, "api/bookstore_api") / "api"


def _extract(commit: str, folder: Path, *paths: str) -> Path:
    command = ["git", "archive", commit, *paths]
    archive = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        why = archive.stderr.decode().strip()
        pytest.skip(f"no history: {why}. Clone with it: git fetch --unshallow")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder
