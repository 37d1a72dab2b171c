"""What a private engine needs of the machine."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from devcluster import run

_CAP_SYS_ADMIN = 21


@dataclass(frozen=True)
class Requirement:
    """Something that is needed, whether it is there, and what to do where it is not."""

    what: str
    met: bool
    hint: str


def engine_requirements() -> Iterator[Requirement]:
    """Look at what a private engine needs: rights, programs, control groups."""
    root = os.geteuid() == 0
    hint = "Run devcluster with sudo; or install Docker: apt-get install docker.io"
    yield Requirement("root", root, hint)
    if root:
        hint = "This is a container without privileges: run it with --privileged, or use Docker."
        yield Requirement("the right to mount (CAP_SYS_ADMIN)", _may_mount(), hint)
    for program, package in (
        ("apt-get", "apt"),
        ("dpkg-deb", "dpkg"),
        ("unshare", "util-linux"),
        ("mount", "mount"),
        ("perl", "perl"),
    ):
        is_there = run.which(program) is not None
        yield Requirement(program, is_there, f"apt-get install {package}")
    mounted = any(Path("/sys/fs/cgroup").glob("*"))
    yield Requirement("control groups", mounted, "mount -t cgroup2 none /sys/fs/cgroup")


def _may_mount() -> bool:
    status = Path("/proc/self/status").read_text()
    effective = re.search(r"^CapEff:\s*([0-9a-f]+)", status, re.MULTILINE)
    return effective is None or bool(int(effective[1], 16) & 1 << _CAP_SYS_ADMIN)
