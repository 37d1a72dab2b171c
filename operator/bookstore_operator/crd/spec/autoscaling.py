"""`spec.autoscaling`: replicas that follow the load."""

from __future__ import annotations

from pydantic import Field

from bookstore_operator.crd.base import (
    Part,
    rules,
)


class Autoscaling(
    Part,
    json_schema_extra=rules(
        (
            "self.minReplicas <= self.maxReplicas",
            "autoscaling.minReplicas must not be larger than autoscaling.maxReplicas",
        )
    ),
):
    """The API's replicas follow its CPU use."""

    min_replicas: int = Field(2, ge=1, le=1000, description="Never fewer than this.")
    max_replicas: int = Field(ge=1, le=1000, description="Never more than this.")
    target_cpu_percent: int = Field(
        70, ge=1, le=100, description="Mean CPU use to aim at, in percent of `resources.requests`."
    )
