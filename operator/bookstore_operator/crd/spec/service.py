"""`spec.service`: the Service that users reach."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from bookstore_operator.crd.base import (
    Part,
    rules,
)


class ServiceType(StrEnum):
    """How the active Service is reached."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


class Service(
    Part,
    json_schema_extra=rules(
        (
            "!has(self.nodePort) || self.type != 'ClusterIP'",
            "service.nodePort needs service.type NodePort or LoadBalancer",
        )
    ),
):
    """The Service that users reach."""

    type: ServiceType = Field(ServiceType.CLUSTER_IP, description="How it is reached.")
    port: int = Field(80, ge=1, le=65535, description="The port of the Service.")
    node_port: int | None = Field(
        None, ge=1, le=65535, description="The port on each node; any free one when unset."
    )
