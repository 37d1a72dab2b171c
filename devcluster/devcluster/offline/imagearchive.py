"""Container images written as an archive that `docker load` and `ctr images import` read.

Images that share a layer share it in the archive too, and nothing needs to run to make one.
"""

import hashlib
import io
import json
import platform
import stat
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from devcluster import disk
from devcluster.engine import Engine

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
RECIPE_LABEL = "dev.bookstore.devcluster.recipe"
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Layers and images come out the same whenever they are made.
_CREATED = "2026-01-01T00:00:00Z"


@dataclass(frozen=True)
class Layer:
    """A layer: an uncompressed tar, and the digest of its content."""

    path: Path
    digest: str

    @classmethod
    def of(cls, path: Path) -> "Layer":
        """Return the layer that is in this file."""
        with path.open("rb") as file:
            return cls(path, hashlib.file_digest(file, "sha256").hexdigest())


@dataclass(frozen=True)
class Image:
    """An image: its name, its layers from the lowest up, and how a container of it starts."""

    name: str
    layers: tuple[Layer, ...]
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    stop_signal: str = ""
    workdir: str = ""
    volumes: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    def config(self, machine: str) -> bytes:
        """Return the image's configuration, by the Docker image specification 1.2."""
        environment = {"PATH": DEFAULT_PATH, **self.environment}
        config: dict[str, object] = {
            "Env": [f"{key}={value}" for key, value in environment.items()],
            "Entrypoint": list(self.entrypoint) or None,
            "Cmd": list(self.command) or None,
            "User": self.user,
            "StopSignal": self.stop_signal,
            "WorkingDir": self.workdir,
            "Volumes": {volume: {} for volume in self.volumes} or None,
            "ExposedPorts": {port: {} for port in self.ports} or None,
            "Labels": dict(self.labels) or None,
        }
        return json.dumps(
            {
                "architecture": _ARCHITECTURES.get(machine, machine),
                "os": "linux",
                "created": _CREATED,
                "config": {key: value for key, value in config.items() if value},
                "rootfs": {
                    "type": "layers",
                    "diff_ids": [f"sha256:{layer.digest}" for layer in self.layers],
                },
                "history": [{"created": _CREATED, "created_by": "devcluster"}] * len(self.layers),
            },
            sort_keys=True,
        ).encode()


def write_archive(images: Sequence[Image], archive: Path, *, machine: str) -> None:
    """Write images into one archive, each layer once. `machine` is as `uname -m` prints it."""
    manifest = []
    written: set[str] = set()
    with tarfile.open(archive, "w") as tar:
        for image in images:
            for layer in image.layers:
                if layer.digest not in written:
                    tar.add(layer.path, _layer_name(layer), filter=plain)
                    written.add(layer.digest)
            config = image.config(machine)
            name = f"{hashlib.sha256(config).hexdigest()}.json"
            if name not in written:
                _add_bytes(tar, name, config)
                written.add(name)
            manifest.append(
                {
                    "Config": name,
                    "RepoTags": [image.name],
                    "Layers": [_layer_name(layer) for layer in image.layers],
                }
            )
        _add_bytes(tar, "manifest.json", json.dumps(manifest).encode())


def _layer_name(layer: Layer) -> str:
    return f"{layer.digest}.tar"


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = plain(tarfile.TarInfo(name))
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


@dataclass(frozen=True)
class Entry:
    """What a layer has at a path: a file or folder of this machine, a link, or a new folder."""

    path: str
    source: Path | None = None
    link: str = ""
    mode: int = 0o755
    owner: int = 0


def write_layer(entries: Iterable[Entry], archive: Path) -> Layer:
    """Write a layer: the same bytes for the same content, whoever owns the files here."""
    with tarfile.open(archive, "w") as tar:
        for entry in entries:
            if entry.source is not None:
                tar.add(entry.source, entry.path.lstrip("/"), filter=plain)
                continue
            member = plain(tarfile.TarInfo(entry.path.lstrip("/")))
            member.type = tarfile.SYMTYPE if entry.link else tarfile.DIRTYPE
            member.linkname = entry.link
            member.mode = entry.mode
            member.uid = member.gid = entry.owner
            tar.addfile(member)
    return Layer.of(archive)


def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Reset what differs between machines and checkouts in a member of an archive."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    if member.isdir():
        member.mode = 0o755
    elif not member.issym():
        member.mode = 0o755 if member.mode & stat.S_IXUSR else 0o644
    return member


def load_images(docker: Engine, images: list[Image]) -> None:
    """Put images into the engine, and remove those that they replace."""
    with disk.scratch() as work:
        archive = work / "images.tar"
        write_archive(images, archive, machine=platform.machine())
        docker.output("load", "--quiet", "--input", archive, timeout=600)
    # Those were made by an earlier recipe, have no name now, and nothing uses them.
    docker.output("image", "prune", "--force", "--filter", f"label={RECIPE_LABEL}", timeout=120)
