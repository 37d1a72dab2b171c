"""The images of clusters where none can be pulled: made here, in an engine."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from devcluster import disk, versions
from devcluster.engine import Engine
from devcluster.images import Role
from devcluster.locking import locked
from devcluster.offline import baseimages, nodeimage, privateengine
from devcluster.offline.imagearchive import Entry, Image, load_images, write_layer

METRICS_SERVER = f"localhost/bookstore-metrics-server:{versions.METRICS_SERVER}"


@dataclass(frozen=True)
class LocalImages:
    """Images that are made in an engine; `ensure_programs` returns the programs in them."""

    engine: Engine
    ensure_programs: Callable[[Iterable[str]], Mapping[str, Path]]
    pulls: ClassVar[bool] = False

    def node(self) -> str:
        """Make the node image if it is missing, and the Kubernetes programs, too."""
        return nodeimage.ensure(self.engine, self.ensure_programs(nodeimage.PROGRAMS))

    def base(self, roles: Iterable[Role]) -> dict[Role, str]:
        """Make the images of these roles where they are missing."""
        return baseimages.ensure(self.engine, roles)

    def metrics_server(self) -> str:
        """Make the image of the one static program, if it is missing."""
        with locked("metrics-server-image"):
            if not self.engine.has_image(METRICS_SERVER):
                self._make_metrics_server()
        return METRICS_SERVER

    def _make_metrics_server(self) -> None:
        program = self.ensure_programs(["metrics-server"])["metrics-server"]
        with disk.scratch() as work:
            layer = write_layer(
                [Entry("/metrics-server", source=program), Entry("/tmp", mode=0o1777)],  # noqa: S108
                work / "layer.tar",
            )
            image = Image(
                METRICS_SERVER, (layer,), entrypoint=("/metrics-server",), user="65534:65534"
            )
            load_images(self.engine, [image])


def missing_parts(cached: Callable[[str], Path | None], *, engine: bool) -> list[str]:
    """Say in words what is not in the cache yet; with `engine` the private engine counts, too.

    `cached` returns where a program is, None if it is not in the cache.
    """
    parts = (
        (engine and not privateengine.is_unpacked(), "Debian's Docker engine, unpacked"),
        (
            not nodeimage.is_prepared(cached),
            "a kind node image, from Go modules and Debian packages",
        ),
        (not baseimages.is_prepared(), "base images for Python and PostgreSQL, likewise"),
    )
    return [text for missing, text in parts if missing]
