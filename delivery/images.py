"""Build, publish, sign and verify this project's images: `make images-…` runs this.

Only Python's own library is needed. An image is named by its digest from the moment it is pushed.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCKERFILES = {file.suffix[1:]: file.name for file in sorted(ROOT.glob("Dockerfile.*"))}
PLATFORMS = ("amd64", "arm64")
BUILDER = "bookstore-delivery"
ISSUER = "https://token.actions.githubusercontent.com"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class ImageError(Exception):
    """What is wrong and what to do about it."""


def repository(registry: str, image: str) -> str:
    """Return the name of an image, without tag or digest."""
    return f"{registry.lower()}/bookstore-{image}"


def by_digest(registry: str, image: str, digest: str) -> str:
    """Return the name of an image that nobody can change. Raises ImageError for no digest."""
    if not _DIGEST.fullmatch(digest):
        raise ImageError(
            f"{digest!r} is no digest of bookstore-{image}: sha256: and 64 hex digits."
        )
    return f"{repository(registry, image)}@{digest}"


def push(registry: str, platform: str) -> dict[str, str]:
    """Build the images for a platform and push them without a tag; return their digests."""
    if not platform.startswith("linux/"):
        raise ImageError(f"{platform!r} is no platform such as linux/amd64.")
    # Docker's default builder can't attach an SBOM and the provenance.
    if _run("docker", "buildx", "inspect", BUILDER, check=False) is None:
        _run("docker", "buildx", "create", "--name", BUILDER, "--driver", "docker-container")
    return {image: _push(registry, image, platform) for image in DOCKERFILES}


def _push(registry: str, image: str, platform: str) -> str:
    name = repository(registry, image)
    with tempfile.TemporaryDirectory() as folder:
        metadata = Path(folder) / "metadata.json"
        _run(
            *("docker", "buildx", "build", "--builder", BUILDER, "--platform", platform),
            *("--file", DOCKERFILES[image], "--sbom=true", "--provenance=mode=max"),
            f"--output=type=image,name={name},push-by-digest=true,name-canonical=true,push=true",
            *("--metadata-file", str(metadata), "."),
        )
        digest: str = json.loads(metadata.read_text())["containerimage.digest"]
    by_digest(registry, image, digest)
    return digest


def index(registry: str, commit: str, parts: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Make an index of the platforms' images for each image; return the digests of the indexes."""
    if missing := [platform for platform in PLATFORMS if not parts.get(platform)]:
        raise ImageError(f"There is no image for {', '.join(missing)}: see the job that builds it.")
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        raise ImageError(f"{commit!r} is no commit: 40 hex digits.")
    digests = {}
    for image in DOCKERFILES:
        tag = f"{repository(registry, image)}:sha-{commit}"
        sources = [by_digest(registry, image, parts[p][image]) for p in PLATFORMS]
        _run("docker", "buildx", "imagetools", "create", "--tag", tag, *sources)
        digests[image] = _digest_of(tag)
    return digests


def of_commit(registry: str, commit: str) -> dict[str, str]:
    """Return the digests of the images that main has built from a commit."""
    names = {image: f"{repository(registry, image)}:sha-{commit}" for image in DOCKERFILES}
    return {image: _digest_of(name) for image, name in names.items()}


def _digest_of(name: str) -> str:
    found = _run(
        "docker", "buildx", "imagetools", "inspect", "--format", "{{json .Manifest}}", name
    )
    digest: str = json.loads(found or "{}").get("digest", "")
    if not _DIGEST.fullmatch(digest):
        raise ImageError(f"The registry gave no digest of {name}: {digest!r}.")
    return digest


def sign(registry: str, digests: Mapping[str, str]) -> None:
    """Sign the images as the workflow that runs."""
    for image in DOCKERFILES:
        _run("cosign", "sign", "--yes", by_digest(registry, image, digests[image]))


def verify(registry: str, digests: Mapping[str, str], identity: str) -> None:
    """Check that exactly this workflow, of exactly this branch, has signed the images."""
    if not re.fullmatch(r"https://\S+/\.github/workflows/[\w-]+\.yaml@refs/\S+", identity):
        raise ImageError(f"{identity!r} is no identity of a workflow: URL@refs/heads/BRANCH.")
    for image in DOCKERFILES:
        _run(
            *("cosign", "verify", "--certificate-identity", identity),
            *("--certificate-oidc-issuer", ISSUER, by_digest(registry, image, digests[image])),
        )


def _run(*command: str, check: bool = True) -> str | None:
    """Run a command and return its output; None if it failed and that is no error."""
    try:
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    except FileNotFoundError as error:
        raise ImageError(f"{command[0]} is not installed.") from error
    if done.returncode == 0:
        return done.stdout
    if check:
        raise ImageError(f"{' '.join(command)} ended with exit code {done.returncode}.")
    return None


def write_outputs(values: Mapping[str, str]) -> None:
    """Print values, and give them to the next jobs if this runs in a workflow."""
    lines = "".join(f"{name}={value}\n" for name, value in values.items())
    sys.stdout.write(lines)
    if file := os.environ.get("GITHUB_OUTPUT"):
        with Path(file).open("a") as outputs:
            outputs.write(lines)


def variable(name: str) -> str:
    """Return a variable of the environment. Raises ImageError where it is missing."""
    if not (value := os.environ.get(name, "").strip()):
        raise ImageError(f"Set {name} (docs/delivery.md).")
    return value


def as_list(digests: Mapping[str, str]) -> str:
    """Return digests as the JSON of which workflows make a job for each image."""
    return json.dumps([{"name": name, "digest": digest} for name, digest in digests.items()])


def digests_given() -> dict[str, str]:
    """Return the digests that the variable IMAGES has, of all images."""
    try:
        digests = {item["name"]: item["digest"] for item in json.loads(variable("IMAGES"))}
    except (ValueError, KeyError, TypeError) as error:
        raise ImageError(f"IMAGES is no list of names and digests: {error!r}.") from error
    if digests.keys() != DOCKERFILES.keys():
        raise ImageError(f"IMAGES must name {', '.join(DOCKERFILES)}, not {', '.join(digests)}.")
    return digests


def with_digests(text: str, registry: str, digests: Mapping[str, str]) -> str:
    """Return a text with the images of developers' machines replaced by published ones."""
    return re.sub(
        r"localhost/bookstore-([a-z]+):dev",
        lambda match: by_digest(registry, match[1], digests[match[1]]),
        text,
    )


def run_command(command: str) -> None:
    """Do what a `make images-…` says, with arguments from the environment."""
    registry = variable("REGISTRY")
    if command == "push":
        write_outputs({"digests": json.dumps(push(registry, variable("PLATFORM")))})
    elif command == "index":
        parts = {platform: json.loads(variable(platform.upper())) for platform in PLATFORMS}
        digests = index(registry, variable("COMMIT"), parts)
        # In lower case, as registries want it.
        write_outputs({"registry": registry.lower(), "images": as_list(digests)})
    elif command == "of-commit":
        write_outputs({"images": as_list(of_commit(registry, variable("COMMIT")))})
    elif command == "sign":
        sign(registry, digests_given())
    else:
        verify(registry, digests_given(), variable("IDENTITY"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code."""
    parser = argparse.ArgumentParser(prog="make images-COMMAND", description=__doc__)
    parser.add_argument("command", choices=("push", "index", "of-commit", "sign", "verify"))
    try:
        run_command(parser.parse_args(arguments).command)
    except ImageError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
