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
