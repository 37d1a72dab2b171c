"""The images of clusters where none can be pulled: made here, in an engine."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from devcluster import disk, versions
from devcluster.engine import Engine
from devcluster.errors import DevclusterError
from devcluster.images import BUILT, Role, kubernetes_version
from devcluster.locking import locked
from devcluster.offline import baseimages, nodeimage, privateengine
from devcluster.offline.imagearchive import Entry, Image, load_images, write_layer

METRICS_SERVER = f"localhost/bookstore-metrics-server:{versions.METRICS_SERVER}"
NETWORK_POLICIES = f"localhost/bookstore-network-policies:{versions.NETWORK_POLICIES}"


@dataclass(frozen=True)
class LocalImages:
    """Images that are made in an engine; `ensure_programs` returns the programs in them."""

    engine: Engine
    ensure_programs: Callable[[Iterable[str]], Mapping[str, Path]]
    pulls: ClassVar[bool] = False

    def node(self) -> str:
        """Make the node image if it is missing, and the Kubernetes programs, too."""
        if kubernetes_version() != BUILT:
            raise DevclusterError(
                f"Where no image can be pulled, only Kubernetes {BUILT} can be run.",
                "Unset DEVCLUSTER_KUBERNETES.",
            )
        return nodeimage.ensure(self.engine, self.ensure_programs(nodeimage.PROGRAMS))

    def base(self, roles: Iterable[Role]) -> dict[Role, str]:
        """Make the images of these roles where they are missing."""
        return baseimages.ensure(self.engine, roles)

    def metrics_server(self) -> str:
        """Make the image of the one static program, if it is missing."""
        return self._of_one_program(METRICS_SERVER, "metrics-server", user="65534:65534")

    def network_policies(self) -> str:
        """Make the image of the one static program, if it is missing."""
        return self._of_one_program(NETWORK_POLICIES, "kube-network-policies", user="0:0")

    def _of_one_program(self, name: str, program: str, user: str) -> str:
        """Make an image with one static program, if it is missing, and return its name."""
        with locked(f"{program}-image"):
            if not self.engine.has_image(name):
                source = self.ensure_programs([program])[program]
                with disk.scratch() as work:
                    entries = [Entry(f"/{program}", source=source), Entry("/tmp", mode=0o1777)]  # noqa: S108
                    layer = write_layer(entries, work / "layer.tar")
                    image = Image(name, (layer,), entrypoint=(f"/{program}",), user=user)
                    load_images(self.engine, [image])
        return name


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
