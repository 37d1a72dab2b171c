"""Make the files of a version, and publish them: `make release-files`, `make release-publish`."""

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from delivery.checks.changelog import release_notes, version_of_tag
from delivery.images import (
    DOCKERFILES,
    ROOT,
    ImageError,
    by_digest,
    digests_given,
    repository,
    variable,
    with_digests,
)
from devcluster import binaries
from devcluster.progress import say

DIST = ROOT / "dist"
CHART = ROOT / "charts" / "bookstore-operator"
WHEELS = ("operator", "kubectl-bookstore", "backup")


def versions() -> dict[str, str]:
    """Return the version of each part that has one."""
    found = {
        str(file.relative_to(ROOT)): re.search(
            r'^__version__ = "(.*)"$', file.read_text(), re.MULTILINE
        )
        for part in (*WHEELS, "api")
        for file in (ROOT / part).glob("*/__init__.py")
    }
    return {name: match[1] for name, match in found.items() if match}


def write_files(version: str, registry: str, digests: dict[str, str], folder: Path) -> None:
    """Write notes, install.yaml, the chart and the wheels of a version into an empty folder."""
    notes = release_notes((ROOT / "CHANGELOG.md").read_text(), version)
    images = [by_digest(registry, image, digests[image]) for image in DOCKERFILES]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "notes.md").write_text(notes + "\n" + "".join(f"    {name}\n" for name in images))
    installed = (ROOT / "manifests/install.yaml").read_text()
    (folder / "install.yaml").write_text(with_digests(installed, registry, digests))
    _write_chart(version, registry, digests, folder)
    for part in WHEELS:
        build = (sys.executable, "-m", "flit_core.wheel", "--outdir", str(folder))
        subprocess.run(build, cwd=ROOT / part, check=True, stdout=subprocess.DEVNULL)


def _write_chart(version: str, registry: str, digests: dict[str, str], folder: Path) -> None:
    """Package the chart with the images of this version as its defaults."""
    copy = folder / "chart" / CHART.name
    shutil.copytree(CHART, copy)
    text = (copy / "values.yaml").read_text()
    image = yaml.safe_load(text)["image"]
    named = {"repository": repository(registry, "operator"), "tag": version}
    for key, value in {**named, "digest": digests["operator"]}.items():
        old = yaml.safe_dump({key: image[key]}).strip()
        if text.count(f"\n  {old}\n") != 1:
            raise ImageError(f"{CHART.name}/values.yaml has no single line `{old}`.")
        text = text.replace(f"\n  {old}\n", f"\n  {key}: {value}\n")
    (copy / "values.yaml").write_text(with_digests(text, registry, digests))
    helm = binaries.ensure(["helm"])["helm"]
    about = ("--version", version, "--app-version", version, "--destination", folder)
    subprocess.run([helm, "package", copy, *about], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(folder / "chart")


def publish(tag: str, version: str, registry: str, digests: dict[str, str], folder: Path) -> None:
    """Give the images and the chart their version in the registry, then create the release."""
    for image in DOCKERFILES:
        name = by_digest(registry, image, digests[image])
        target = f"{repository(registry, image)}:{version}"
        subprocess.run(
            ("docker", "buildx", "imagetools", "create", "--tag", target, name), check=True
        )
    helm = binaries.ensure(["helm"])["helm"]
    (chart,) = folder.glob("*.tgz")
    subprocess.run([helm, "push", chart, f"oci://{registry.lower()}/charts"], check=True)
    files = [str(folder / "install.yaml"), str(chart), *map(str, sorted(folder.glob("*.whl")))]
    notes = ("--notes-file", str(folder / "notes.md"), "--verify-tag", "--title", tag)
    subprocess.run(("gh", "release", "create", tag, *notes, *files), check=True, cwd=ROOT)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code."""
    parser = argparse.ArgumentParser(prog="make release-COMMAND", description=__doc__)
    parser.add_argument("command", choices=("files", "publish"))
    command = parser.parse_args(arguments).command
    try:
        tag, registry, digests = variable("VERSION"), variable("REGISTRY"), digests_given()
        version = version_of_tag(tag, versions())
        if command == "files":
            write_files(version, registry, digests, DIST)
        else:
            publish(tag, version, registry, digests, DIST)
    except (ImageError, ValueError, subprocess.CalledProcessError) as error:
        say(f"{error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
