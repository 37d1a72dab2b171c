"""Where things live.

    $XDG_CACHE_HOME/devcluster    what can be made again and is worth keeping: survives `down`
        bin/<program>-<version>/  programs, one folder a version, so that versions live side by side
        downloads/                fetched files, named by their checksum
    $XDG_STATE_HOME/devcluster    what belongs to running clusters: `down` empties it
        clusters/<name>/          process ids, data, kubeconfig and logs of one cluster
        engine/                   the private Docker engine, shared by the kind clusters
        logs/                     of builds and the like
        locks/                    who is doing what

Paths are computed, not made: whoever writes into a folder makes it.
"""

import os
import re
from pathlib import Path

from devcluster.errors import DevclusterError

# Files that come with the tool.
DATA = Path(__file__).parent / "data"

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


def cache() -> Path:
    """Return the folder of what survives `down`."""
    return _base("XDG_CACHE_HOME", ".cache")


def state() -> Path:
    """Return the folder of what belongs to running clusters."""
    return _base("XDG_STATE_HOME", ".local/state")


def binaries() -> Path:
    """Return the folder with one subfolder for each program and version."""
    return cache() / "bin"


def downloads() -> Path:
    """Return the folder of fetched files."""
    return cache() / "downloads"


def clusters() -> Path:
    """Return the folder with one subfolder for each cluster that is up."""
    return state() / "clusters"


def cluster(name: str) -> Path:
    """Return the state folder of one cluster. Raises DevclusterError for an unfit name."""
    check_name(name)
    return clusters() / name


def engine() -> Path:
    """Return the folder of the private Docker engine: socket, data, process ids, logs."""
    return state() / "engine"


def engine_socket() -> Path:
    """Return where the private Docker engine answers."""
    return engine() / "docker.sock"


def logs() -> Path:
    """Return the folder of logs that belong to no cluster, such as those of builds."""
    return state() / "logs"


def locks() -> Path:
    """Return the folder of the lock files."""
    return state() / "locks"


def check_name(name: str) -> None:
    """Raise DevclusterError unless `name` can be a cluster's name."""
    if not _NAME.fullmatch(name):
        raise DevclusterError(
            f"“{name}” can't be the name of a cluster.",
            "Use at most 40 small letters, digits and hyphens, with no hyphen at either end.",
        )


def _base(variable: str, default: str) -> Path:
    given = os.environ.get(variable, "")
    # The XDG specification: a relative path is to be ignored.
    base = Path(given) if given.startswith("/") else Path.home() / default
    return base / "devcluster"
