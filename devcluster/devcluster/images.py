"""The images that clusters need: what for, their official names, and who provides them."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol

from devcluster import versions
from devcluster.engine import Engine
from devcluster.errors import DevclusterError


class Role(StrEnum):
    """What an image is for; the value is the variable that `devcluster env` prints for it."""

    BASE = "BASE_IMAGE"
    POSTGRES = "POSTGRES_IMAGE"
    VALKEY = "VALKEY_IMAGE"


OFFICIAL = {
    Role.BASE: "python:3.13-slim-bookworm",
    Role.POSTGRES: "postgres:18",
    Role.VALKEY: "valkey/valkey:8.1",
}
# The node images that kind's release notes name for this release of kind, by digest.
NODES = {
    "1.34": "v1.34.0@sha256:7416a61b42b1662ca6ca89f02028ac133a309a2a30ba309614e8ec94d976dc5a",
    "1.33": "v1.33.4@sha256:25a6018e48dfcaee478f4a59af81157a437f15e6e140bf103f85a2e7cd0cbbf2",
    "1.32": "v1.32.8@sha256:abd489f042d2b644e2d033f5c2d900bc707798d075e8186cb65e3f1367a9d5a1",
    "1.31": "v1.31.12@sha256:0f5cc49c5e73c0c2bb6e2df56e7df189240d83cf94edfa30946482eb08ec57d2",
}
_REPOSITORY = "kindest/node"
BUILT = ".".join(versions.KUBERNETES.removeprefix("v").split(".")[:2])
"""The version that is built where no image can be pulled; the default everywhere."""
NODE = f"{_REPOSITORY}:{NODES[BUILT]}"
METRICS_SERVER = f"registry.k8s.io/metrics-server/metrics-server:{versions.METRICS_SERVER}"


def kubernetes_version() -> str:
    """Return the version that DEVCLUSTER_KUBERNETES asks for. Raises DevclusterError."""
    wanted = os.environ.get("DEVCLUSTER_KUBERNETES") or BUILT
    if wanted not in NODES:
        raise DevclusterError(
            f"DEVCLUSTER_KUBERNETES is “{wanted}”.", f"It can be {', '.join(sorted(NODES))}."
        )
    return wanted


def pulled_node() -> str:
    """Return the name of kind's own node image of that version. Raises DevclusterError."""
    return f"{_REPOSITORY}:{NODES[kubernetes_version()]}"


class ImageSource(Protocol):
    """Provides the images of clusters in an engine: pulls them, or makes them there."""

    pulls: ClassVar[bool]

    @property
    def engine(self) -> Engine:
        """The engine that the images are in."""

    def node(self) -> str:
        """Return the name of the node image, which the engine then has. Raises DevclusterError."""

    def base(self, roles: Iterable[Role]) -> dict[Role, str]:
        """Return the names of the images of these roles. Raises DevclusterError."""

    def metrics_server(self) -> str:
        """Return the name of the metrics server's image. Raises DevclusterError."""

    def network_policies(self) -> str | None:
        """Return the image that enforces network policies; None if the nodes do it themselves.

        Raises DevclusterError.
        """


@dataclass(frozen=True)
class PulledImages:
    """The official images: the engine or the node pulls what it lacks."""

    engine: Engine
    pulls: ClassVar[bool] = True

    def node(self) -> str:
        """Pull kind's own node image unless it is there."""
        node = pulled_node()
        self.engine.pull(node)
        return node

    def base(self, roles: Iterable[Role]) -> dict[Role, str]:
        """Return the official names."""
        return {role: OFFICIAL[role] for role in roles}

    def metrics_server(self) -> str:
        """Return the official name; the node pulls it."""
        return METRICS_SERVER

    def network_policies(self) -> None:
        """Return None: since v0.24, the network of kind's own node image enforces them."""
