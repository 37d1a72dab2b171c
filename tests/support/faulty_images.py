"""Images of the API with a fault, made of a good one: what a team may push by mistake."""

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from demo.deploy import Cluster, load_images
from tests.support.migrations import EXPAND_HEAD, Script, after_expand

PACKAGE = "import bookstore_api, pathlib; print(pathlib.Path(bookstore_api.__file__).parent)"

FAILS_LISTS_OF_13 = '''"""A bug that no smoke test finds: lists of 13 books fail."""

from fastapi.routing import APIRouter

route = APIRouter.app


async def app(self, scope, receive, send):
    if scope["type"] == "http" and b"limit=13" in scope["query_string"]:
        raise RuntimeError("a bug of this release")
    await route(self, scope, receive, send)


APIRouter.app = app
'''
"""Each process runs it at its start, by a .pth file: Debian has a sitecustomize of its own."""

FAILS = Script(after_expand(1, "fails"), EXPAND_HEAD, body='op.execute("SELECT 1/0")')
"""A migration with a mistake."""

BREAKS_OLD_CODE = Script(
    after_expand(1, "breaks"),
    EXPAND_HEAD,
    body='op.execute("ALTER TABLE books ADD COLUMN pages bigint NOT NULL")',
)
"""A migration that runs, after which the older code can create no book."""


def with_bug(cluster: Cluster, image: str) -> str:
    """Make, and load, an image whose lists of 13 books fail."""
    line = f"import builtins; builtins.exec({FAILS_LISTS_OF_13!r}, {{}})\n"
    return _make(cluster, image, "../bug.pth", line)


def with_migration(cluster: Cluster, image: str, script: Script) -> str:
    """Make, and load, an image with another migration."""
    with tempfile.TemporaryDirectory() as folder:
        path = script.write(Path(folder))
        return _make(cluster, image, f"db/migrations/versions/{path.name}", path.read_text())


def _make(cluster: Cluster, image: str, where: str, text: str) -> str:
    """Make an image with one more file, by its path from the API's package."""
    package = _docker(
        cluster.environment,
        *("run", "--rm", "--network=none", "--entrypoint=/opt/bookstore/bin/python", image),
        *("-c", PACKAGE),
    ).strip()
    target = (Path(package) / where).as_posix()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "added").write_text(text)
        (Path(folder) / "Dockerfile").write_text(f"FROM {image}\nCOPY added {target}\n")
        built = _docker(cluster.environment, "build", "--quiet", "--network=none", folder).strip()
    name = f"localhost/bookstore-faulty:{built.removeprefix('sha256:')[:12]}"
    _docker(cluster.environment, "tag", built, name)
    load_images(cluster, [name])
    return name


def _docker(environment: Mapping[str, str], *arguments: str) -> str:
    """Run docker; return its standard output."""
    done = subprocess.run(
        ["docker", *arguments],
        env={**environment, "DOCKER_BUILDKIT": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
