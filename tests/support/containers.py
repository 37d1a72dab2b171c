"""Containers of an image, confined as the manifests confine them, on whatever engine there is."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.bookstore import Ended, wait_until

CONFINED = (
    *("--read-only", "--tmpfs=/tmp"),
    *("--cap-drop=ALL", "--security-opt=no-new-privileges"),
)
# An address of the container's own network, so that its ports can be published.
REACHABLE = {
    "BOOKSTORE_HOST": "::",
    "BOOKSTORE_INTERNAL_HOST": "::",
}
# What an engine puts into a container by itself.
ENGINES_OWN = {
    *(".dockerenv", "dev", "proc", "sys"),
    *("etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf"),
}


@dataclass(frozen=True)
class Docker:
    """The client of an engine."""

    environment: Mapping[str, str] = field(repr=False)

    def __call__(self, *arguments: str, timeout: float = 120) -> Ended:
        """Run a docker command; raises AssertionError with what it said if it fails."""
        ended = self.ended(*arguments, timeout=timeout)
        assert ended.code == 0, f"docker {' '.join(arguments)}: {ended.errors}"
        return ended

    def ended(self, *arguments: str, timeout: float = 120) -> Ended:
        """Run a docker command to its end, whatever that is."""
        done = subprocess.run(
            ["docker", *arguments],
            env=dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def inspect(self, name: str) -> dict[str, Any]:
        """Return what the engine says of an image or a container."""
        inspected: list[dict[str, Any]] = json.loads(self("inspect", name).output)
        return inspected[0]

    def run(self, image: str, *arguments: str, options: Sequence[str] = ()) -> Ended:
        """Run a confined container to its end."""
        return self.ended("run", "--rm", *CONFINED, *options, image, *arguments)

    @contextmanager
    def running(
        self, image: str, *arguments: str, options: Sequence[str] = (), ports: Sequence[int] = ()
    ) -> Iterator[Container]:
        """Have a confined container for the block, its ports published to this machine."""
        published = [f"--publish=127.0.0.1::{port}" for port in ports]
        started = self("run", "--detach", *CONFINED, *published, *options, image, *arguments)
        container = Container(self, started.output.strip())
        try:
            yield container
        finally:
            self("rm", "--force", "--volumes", container.name)


@dataclass(frozen=True)
class Container:
    """A container that was started."""

    docker: Docker
    name: str

    @property
    def state(self) -> dict[str, Any]:
        """Its state as the engine has it."""
        state: dict[str, Any] = self.docker.inspect(self.name)["State"]
        return state

    def logs(self) -> Ended:
        """Return what it wrote so far to either stream."""
        return self.docker("logs", self.name)

    def url(self, port: int) -> str:
        """Say where a port of it is on this machine."""
        return f"http://{self.docker('port', self.name, str(port)).output.split()[0]}"

    def signal(self, number: signal.Signals) -> None:
        """Send its first process a signal."""
        self.docker("kill", f"--signal={number.name}", self.name)

    def wait(self, seconds: float = 30) -> int:
        """Wait for its end; its exit code."""
        return int(self.docker("wait", self.name, timeout=seconds).output)

    def wait_until_answering(self, port: int, path: str) -> str:
        """Wait until a port answers a path with 200; where that port is."""
        url = self.url(port)
        wait_until(lambda: self._answers(url + path), f"{path} of port {port}")
        return url

    def _answers(self, url: str) -> bool:
        try:
            return httpx.get(url, timeout=10, trust_env=False).status_code == 200
        except httpx.TransportError:
            assert self.state["Running"], f"it ended: {self.logs()}"
            return False


@dataclass(frozen=True)
class Thing:
    """A file, folder or link of an image: all that makes it what it is.

    The time of its last change, too; but not a folder's, which an engine makes when it copies.
    """

    kind: str
    mode: int
    owner: tuple[int, int]
    changed: float
    link: str
    content: str

    @property
    def executable(self) -> bool:
        """Whether anybody may run it."""
        return self.kind == "file" and bool(self.mode & 0o111)


def contents(docker: Docker, image: str) -> dict[str, Thing]:
    """Return all that is in an image, by path without a leading slash."""
    container = docker("create", image).output.strip()
    try:
        with (
            subprocess.Popen(
                ["docker", "export", container],
                env=dict(docker.environment),
                stdout=subprocess.PIPE,
            ) as export,
            tarfile.open(fileobj=export.stdout, mode="r|") as archive,
        ):
            things = {
                member.name.rstrip("/"): _thing(archive, member)
                for member in archive
                if not _engines_own(member.name)
            }
        assert export.returncode == 0
    finally:
        docker("rm", container)
    return things


def _engines_own(name: str) -> bool:
    return name in ENGINES_OWN or name.split("/", maxsplit=1)[0] in ENGINES_OWN


def _thing(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Thing:
    file = archive.extractfile(member) if member.isreg() else None
    kinds = {tarfile.REGTYPE: "file", tarfile.DIRTYPE: "folder", tarfile.SYMTYPE: "link"}
    return Thing(
        kind=kinds.get(member.type, f"type {member.type!r}"),
        mode=member.mode & 0o7777,
        owner=(member.uid, member.gid),
        changed=0 if member.isdir() else member.mtime,
        link=member.linkname,
        content=hashlib.file_digest(file, "sha256").hexdigest() if file else "",  # type: ignore[arg-type]  # typeshed wants readinto of BytesIO's kind
    )
