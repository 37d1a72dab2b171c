"""`spec.service`: the Service that exposes the API."""

from enum import StrEnum

from pydantic import Field

from bookstore_operator.crd.base import EMPTY, AnnotationMap, LabelKey, Part, rules


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


class TrafficPolicy(StrEnum):
    """Which Pods a node sends external traffic to."""

    CLUSTER = "Cluster"
    LOCAL = "Local"


_LOADS = "self.type == 'LoadBalancer'"


class Service(
    Part,
    json_schema_extra=rules(
        (
            "!has(self.nodePort) || self.type != 'ClusterIP'",
            "service.nodePort requires service.type NodePort or LoadBalancer",
        ),
        (
            "!has(self.externalTrafficPolicy) || self.type != 'ClusterIP'",
            "service.externalTrafficPolicy requires service.type NodePort or LoadBalancer",
        ),
        (
            f"!has(self.loadBalancerClass) || {_LOADS}",
            "service.loadBalancerClass requires service.type LoadBalancer",
        ),
        (
            f"!({_LOADS} && oldSelf.type == 'LoadBalancer') || "
            "(has(self.loadBalancerClass) ? self.loadBalancerClass : '') == "
            "(has(oldSelf.loadBalancerClass) ? oldSelf.loadBalancerClass : '')",
            "Kubernetes does not allow to change service.loadBalancerClass: set service.type to "
            "ClusterIP first, then to LoadBalancer with the other class",
        ),
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
    annotations: AnnotationMap = Field(
        default_factory=dict,
        description="Annotations of the Service, by which load balancers are configured.",
        json_schema_extra=EMPTY,
    )
    load_balancer_class: LabelKey | None = Field(
        None,
        description="Implementation of the load balancer. Defaults to the cluster's own. Example: "
        "`service.k8s.aws/nlb`.",
    )
    external_traffic_policy: TrafficPolicy | None = Field(
        None,
        description="Pods that a node sends external traffic to: those in the whole `Cluster`, the "
        "default, or only its own (`Local`), which keeps the client's address. With `Local` a "
        "promotion can lose requests until the load balancer has noticed which nodes have Pods of "
        "the new color.",
    )
