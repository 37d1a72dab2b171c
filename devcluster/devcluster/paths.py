"""The folders of devcluster's files.

    $XDG_CACHE_HOME/devcluster    what can be recreated and is worth keeping: `down` leaves it
        bin/<program>-<version>/  programs, a folder for each version
        debian/  roots/  engine/  work/    for what is made offline, and temporary folders
    $XDG_STATE_HOME/devcluster    what belongs to running clusters: `down` removes it
        clusters/<name>/          process ids, data, kubeconfig and logs of one cluster
        engine/                   the private Docker engine, shared by the kind clusters
        logs/                     of builds and the like
        locks/                    lock files, with the process that holds each

Paths are only computed here: the code that writes into a folder creates it.
"""

import os
import re
from pathlib import Path

from devcluster.errors import DevclusterError

# Files that come with the tool.
DATA = Path(__file__).parent / "data"

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


def cache() -> Path:
    """Return the folder of what `down` leaves."""
    return _base("XDG_CACHE_HOME", ".cache")


def state() -> Path:
    """Return the folder of what belongs to running clusters."""
    return _base("XDG_STATE_HOME", ".local/state")


def binaries() -> Path:
    """Return the folder with one subfolder for each program and version."""
    return cache() / "bin"


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
    value = os.environ.get(variable, "")
    # The XDG specification: a relative path is to be ignored.
    base = Path(value) if value.startswith("/") else Path.home() / default
    return base / "devcluster"
