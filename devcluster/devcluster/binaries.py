"""The programs of a cluster: from the cache, from their published releases, or built.

    ensure(["kube-apiserver", "etcd"]) -> {"kube-apiserver": Path(...), "etcd": Path(...)}

Only what is asked for is fetched or built.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from devcluster import disk, download, offline, paths, progress, releases
from devcluster.locking import locked
from devcluster.releases import Release


def ensure(names: Iterable[str], *, build: bool = False) -> dict[str, Path]:
    """Return where each of the programs `names` is, fetching or building what is missing.

    With `build` (or DEVCLUSTER_BUILD=1) nothing is downloaded as a program, only as Go modules.
    All programs built together are hard links of one file. Raises DevclusterError.
    """
    wanted = list(dict.fromkeys(names))
    unknown = [name for name in wanted if name not in offline.PROGRAMS]
    if unknown:
        raise ValueError(f"no such program: {', '.join(unknown)}")
    build = build or os.environ.get("DEVCLUSTER_BUILD", "") not in ("", "0")
    found = {name: path for name in wanted if (path := cached(name, build=build))}
    missing = [name for name in wanted if name not in found]
    if missing and not build:
        found |= _from_releases(missing)
        missing = [name for name in wanted if name not in found]
    found |= offline.build_programs(missing)
    return {name: found[name] for name in wanted}


def cached(name: str, *, build: bool = False) -> Path | None:
    """Return where a program is if it is there already, in the right version."""
    candidates = [offline.built_program(name)]
    release = releases.providing(name, releases.system())
    if release and not build:
        candidates.append(paths.binaries() / release.name / name)
    # kubectl comes with the server's release too.
    server = releases.providing("kube-apiserver", releases.system())
    if server and name in server.members and not build:
        candidates.append(paths.binaries() / server.name / name)
    return next((path for path in candidates if os.access(path, os.X_OK)), None)


def all_cached() -> dict[str, Path]:
    """Return where every program is that is there already."""
    return {name: path for name in offline.PROGRAMS if (path := cached(name))}


def current_folders() -> dict[str, str]:
    """Return the folders of today's versions, each with the lock under which it is filled."""
    found = (releases.providing(name, releases.system()) for name in offline.PROGRAMS)
    fetched = {each.name: f"program {each.name}" for each in found if each is not None}
    return offline.current_builds() | fetched


def _from_releases(missing: list[str]) -> dict[str, Path]:
    """Fetch what can be fetched. A host that can't be reached is no error: Go builds it then."""
    found: dict[str, Path] = {}
    pinned: dict[Release, list[str]] = {}
    for name in missing:
        release = releases.providing(name, releases.system())
        if release:
            pinned.setdefault(release, []).append(name)
    for release, names in pinned.items():
        if not download.reachable(release.url):
            continue
        try:
            folder = _fetched(release)
        except download.DownloadError as error:
            progress.warn(f"{error.message} Building instead.")
            continue
        found |= {name: folder / name for name in names}
    return found


def _fetched(release: Release) -> Path:
    folder = paths.binaries() / release.name
    with locked(f"program {release.name}"):
        if not folder.is_dir():
            with (
                progress.step(f"Downloading {release.name}") as step,
                disk.new_folder(folder) as unfinished,
            ):
                download.fetch(release, unfinished, step.update)
    return folder
