"""The images that clusters need: what for, their official names, and who provides them."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol

from devcluster import versions
from devcluster.engine import Engine


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
# The node image that kind's release notes name for this release of kind, by digest.
NODE = (
    "kindest/node:v1.34.0@sha256:7416a61b42b1662ca6ca89f02028ac133a309a2a30ba309614e8ec94d976dc5a"
)
METRICS_SERVER = f"registry.k8s.io/metrics-server/metrics-server:{versions.METRICS_SERVER}"


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
        self.engine.pull(NODE)
        return NODE

    def base(self, roles: Iterable[Role]) -> dict[Role, str]:
        """Return the official names."""
        return {role: OFFICIAL[role] for role in roles}

    def metrics_server(self) -> str:
        """Return the official name; the node pulls it."""
        return METRICS_SERVER

    def network_policies(self) -> None:
        """Return None: since v0.24, the network of kind's own node image enforces them."""
