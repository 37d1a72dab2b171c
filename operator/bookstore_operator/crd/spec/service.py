"""`spec.service`: the Service that exposes the API."""

from enum import StrEnum

from pydantic import Field

from bookstore_operator.crd.base import Part, rules


class ServiceType(StrEnum):
    """How the Service is exposed."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


class FamilyPolicy(StrEnum):
    """Whether the Service has addresses of IPv4 and of IPv6."""

    SINGLE_STACK = "SingleStack"
    PREFER_DUAL_STACK = "PreferDualStack"
    REQUIRE_DUAL_STACK = "RequireDualStack"


class Service(
    Part,
    json_schema_extra=rules(
        (
            "!has(self.nodePort) || self.type != 'ClusterIP'",
            "service.nodePort requires service.type NodePort or LoadBalancer",
        )
    ),
):
    """Service that exposes the API."""

    type: ServiceType = Field(ServiceType.CLUSTER_IP, description="How the Service is exposed.")
    port: int = Field(80, ge=1, le=65535, description="Port of the Service.")
    ip_family_policy: FamilyPolicy = Field(
        FamilyPolicy.PREFER_DUAL_STACK,
        description="Whether the Service has addresses of IPv4 and of IPv6, where the cluster has "
        "both.",
    )
    node_port: int | None = Field(
        None, ge=1, le=65535, description="Port on each node. Kubernetes allocates one if unset."
    )
