"""`spec.autoscaling`: scale the API by CPU utilization."""

from pydantic import Field

from bookstore_operator.crd.base import Part, rules


class Autoscaling(
    Part,
    json_schema_extra=rules(
        (
            "self.minReplicas <= self.maxReplicas",
            "autoscaling.minReplicas must not be greater than autoscaling.maxReplicas",
        )
    ),
):
    """Scale the API's replicas by CPU utilization, with a HorizontalPodAutoscaler."""

    min_replicas: int = Field(2, ge=1, le=1000, description="Minimum number of API Pods.")
    max_replicas: int = Field(ge=1, le=1000, description="Maximum number of API Pods.")
    target_cpu_percent: int = Field(
        70,
        ge=1,
        le=100,
        description="Target for the average CPU utilization, in percent of "
        "`resources.requests.cpu`.",
    )
    scale_down_stabilization_seconds: int = Field(
        300,
        ge=0,
        le=3600,
        description="How long the load must allow fewer Pods before their number is lowered, in "
        "seconds. It is never lowered below the highest number that was needed in this time, also "
        "right after a release, when the new color has no history of its own.",
    )
