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
    """Return the path of each of these programs, fetching or building what is missing.

    With `build` (or DEVCLUSTER_BUILD=1) nothing is downloaded as a program, only as Go modules.
    All programs built together are hard links of one file. Raises DevclusterError.
    """
    wanted = list(dict.fromkeys(names))
    if unknown := [name for name in wanted if name not in offline.PROGRAMS]:
        raise ValueError(f"no such program: {', '.join(unknown)}")
    build = build or os.environ.get("DEVCLUSTER_BUILD", "") not in ("", "0")
    programs = {name: path for name in wanted if (path := cached(name, build=build))}
    if not build:
        programs |= _from_releases([name for name in wanted if name not in programs])
    programs |= offline.build_programs([name for name in wanted if name not in programs])
    return {name: programs[name] for name in wanted}


def cached(name: str, *, build: bool = False) -> Path | None:
    """Return the path of a program if it is in the cache in the right version, else None."""
    candidates = [offline.built_program(name)]
    # kubectl comes with the server's release, too.
    for program in (name, "kube-apiserver"):
        release = releases.providing(program, releases.system())
        if release and name in release.members and not build:
            candidates.append(paths.binaries() / release.name / name)
    return next((path for path in candidates if os.access(path, os.X_OK)), None)


def all_cached() -> dict[str, Path]:
    """Return the path of every program that is in the cache."""
    return {name: path for name in offline.PROGRAMS if (path := cached(name))}


def current_folders() -> list[str]:
    """Return the names of the folders of today's versions."""
    fetched = (releases.providing(name, releases.system()) for name in offline.PROGRAMS)
    built = (offline.built_program(name).parent.name for name in offline.PROGRAMS)
    return [*built, *(release.name for release in fetched if release)]


def _from_releases(missing: list[str]) -> dict[str, Path]:
    """Fetch what can be fetched. A host that can't be reached is no error: Go builds it then."""
    pinned: dict[Release, list[str]] = {}
    for name in missing:
        if release := releases.providing(name, releases.system()):
            pinned.setdefault(release, []).append(name)
    programs: dict[str, Path] = {}
    for release, names in pinned.items():
        if download.is_reachable(release.url):
            try:
                folder = _fetch(release)
            except download.DownloadError as error:
                progress.warn(f"{error.message} Building instead.")
            else:
                programs |= {name: folder / name for name in names}
    return programs


def _fetch(release: Release) -> Path:
    folder = paths.binaries() / release.name
    with locked(f"program {release.name}"):
        if not folder.is_dir():
            with (
                progress.step(f"Downloading {release.name}") as step,
                disk.new_folder(folder) as unfinished,
            ):
                download.fetch(release, unfinished, step.update)
    return folder
