"""Programs and root file systems from Debian's packages, with nothing installed on the machine."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devcluster import disk, paths, progress, run
from devcluster.errors import CommandFailed, DevclusterError
from devcluster.locking import locked

SUITE = "bookworm"

# What a root file system for a container does not need.
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")

_DOWNLOADED = re.compile(r"^(?P<name>[a-z0-9][a-z0-9+.-]*)_(?P<version>[^_]+)_[a-z0-9]+\.deb$")


def fingerprint(*parts: object) -> str:
    """Return a short name for exactly these inputs."""
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:12]


def unpacked(packages: Sequence[str], optional: Sequence[str] = (), *, what: str) -> Path:
    """Return the root of unpacked packages for this machine's own release, fetched once.

    `optional` ones are left out where the release has none of that name. `what` they are is shown
    while they are fetched, such as "Debian's Docker engine". Raises DevclusterError
    if the machine has no apt, or apt can't fetch one.
    """
    folder = folder_of(packages, optional)
    if not is_unpacked(packages, optional):
        with locked("debian-packages"):
            if not is_unpacked(packages, optional):
                _unpack(folder, packages, optional, what)
    return folder


def is_unpacked(packages: Sequence[str], optional: Sequence[str] = ()) -> bool:
    """Whether `unpacked` has nothing to fetch."""
    return (folder_of(packages, optional) / "packages.json").exists()


def folder_of(packages: Sequence[str], optional: Sequence[str] = ()) -> Path:
    """Return where `unpacked` puts these packages."""
    return paths.cache() / "debian" / f"host-{fingerprint(packages, optional)}"


def _unpack(folder: Path, packages: Sequence[str], optional: Sequence[str], what: str) -> None:
    if run.which("apt-get") is None or run.which("dpkg-deb") is None:
        raise DevclusterError(
            f"This machine has no apt to fetch {what} with.",
            "Install what it has instead, such as Docker, then try again.",
        )
    with progress.step(f"Fetching {what}", expected_seconds=20) as step:
        shutil.rmtree(folder, ignore_errors=True)
        with disk.scratch() as archives:
            _download(packages, optional, archives)
            folder.mkdir(parents=True)
            versions = {}
            for archive in sorted(archives.glob("*.deb")):
                name, version = name_and_version(archive.name)
                step.update(name)
                run.run(["dpkg-deb", "--extract", archive, folder])
                versions[name] = version
        # Written last: its presence says that the folder is complete.
        disk.flush(folder)
        disk.write_whole(folder / "packages.json", json.dumps(versions, indent=2))


def name_and_version(archive: str) -> tuple[str, str]:
    """Split the file name that apt gives to a package: `tini_0.19.0-1_amd64.deb`."""
    match = _DOWNLOADED.match(archive)
    if match is None:
        raise ValueError(f"not the name of a Debian package: {archive}")
    return match["name"], match["version"].replace("%3a", ":")


def _download(packages: Sequence[str], optional: Sequence[str], folder: Path) -> None:
    """Download packages, with the machine's package lists or, where they are old, with new ones.

    The new lists go into the cache: the machine's own stay as they are.
    """
    # By default apt downloads as a user of its own, who can't write into this folder.
    options = ["--quiet=2", "-o", "APT::Sandbox::User=root"]
    try:
        _download_with(options, packages, optional, folder)
    except CommandFailed:
        options += _own_lists()
        hint = "Is a Debian mirror within reach?"
        run.run(["apt-get", *options, "update"], timeout=600, hint=hint)
        _download_with(options, packages, optional, folder)


def _download_with(
    options: Sequence[str], packages: Sequence[str], optional: Sequence[str], folder: Path
) -> None:
    # apt-cache knows names that other packages mention, and that nothing can be fetched for.
    ask = ("apt-get", *options, "download", "--print-uris")
    available = [name for name in optional if run.run_ok([*ask, name])]
    run.run(["apt-get", *options, "download", *packages, *available], cwd=folder, timeout=600)


def _own_lists() -> list[str]:
    apt = paths.cache() / "apt"
    (apt / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (apt / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    return ["-o", f"Dir::State::lists={apt / 'lists'}", "-o", f"Dir::Cache={apt}"]


@dataclass(frozen=True)
class Recipe:
    """A root file system: Debian's smallest, some packages, and a script that finishes it.

    `script` is a file of data/roots, run as `sh SCRIPT ROOT` on the finished tree. Its environment
    has `inputs`: files of the machine, whose content is part of the digest.
    """

    name: str
    packages: tuple[str, ...]
    script: str
    inputs: Mapping[str, Path]

    @property
    def archive(self) -> Path:
        """The path of the root file system in the cache, once it is made."""
        return paths.cache() / "roots" / f"{self.name}-{self.digest}.tar"

    @property
    def digest(self) -> str:
        """A short name for the recipe with all its inputs."""
        contents = {key: content(path) for key, path in sorted(self.inputs.items())}
        script = (paths.DATA / "roots" / self.script).read_text()
        return fingerprint(SUITE, self.packages, _LEFT_OUT, script, contents)


def content(path: Path) -> str:
    """Return a digest of a file, or of all files of a folder."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(path)} {file.stat().st_mode:o}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def root_archive(recipe: Recipe, tools: Path, *, expected_seconds: float) -> Path:
    """Return a root file system as an uncompressed tar, made once.

    `tools` is the root of the unpacked package mmdebstrap. Needs root: packages are configured
    under `chroot`. Raises CommandFailed.
    """
    archive = recipe.archive
    if archive.exists():
        return archive
    archive.parent.mkdir(parents=True, exist_ok=True)
    for old in archive.parent.glob(f"{recipe.name}-*.tar"):
        old.unlink()
    title = f"Making a Debian root file system ({recipe.name})"
    partial = archive.with_suffix(".partial.tar")
    script = paths.DATA / "roots" / recipe.script
    with progress.step(title, expected_seconds) as step:
        run.run(
            [
                *("perl", tools / "usr/bin/mmdebstrap", "--mode=root", "--variant=minbase"),
                f"--hook-dir={tools}/usr/share/mmdebstrap/hooks/merged-usr",
                # Without usr-is-merged, usrmerge is installed, which needs all of perl.
                f"--include={','.join(('usr-is-merged', *recipe.packages))}",
                # What a crash leaves half written is not used.
                "--dpkgopt=force-unsafe-io",
                *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT),
                f'--customize-hook=sh {script} "$1"',
                *(SUITE, partial),
            ],
            log=paths.logs() / f"root-{recipe.name}.log",
            on_line=lambda line: step.update(line.removeprefix("I: ")),
            env={
                "PATH": f"{tools / 'usr/bin'}{os.pathsep}/usr/sbin:/sbin:{os.environ['PATH']}",
                **{key: str(path) for key, path in recipe.inputs.items()},
            },
            timeout=1800,
            hint="Are a Debian mirror and perl within reach?",
        )
    with partial.open("rb") as written:
        os.fsync(written.fileno())
    partial.rename(archive)
    return archive
