"""`spec.scheduling`: where Pods run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bookstore_operator.crd.base import (
    LabelKey,
    LabelValue,
    ObjectName,
    Part,
)


class Toleration(Part):
    """A taint of nodes that Pods put up with."""

    key: LabelKey | None = Field(None, description="The taint's key; all when unset.")
    operator: Literal["Exists", "Equal"] = Field("Equal", description="How to compare the value.")
    value: LabelValue | None = Field(None, description="The taint's value.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="The taint's effect; all when unset."
    )
    toleration_seconds: int | None = Field(
        None, description="For how long NoExecute is put up with, in seconds."
    )


class Scheduling(Part):
    """Where Pods run."""

    node_selector: Annotated[dict[str, LabelValue], Field(max_length=20)] = Field(
        default_factory=dict, description="Labels that a node must have."
    )
    tolerations: Annotated[list[Toleration], Field(max_length=20)] = Field(
        default_factory=list, description="Taints that Pods put up with."
    )
    priority_class_name: ObjectName | None = Field(
        None, description="The PriorityClass of the API's Pods."
    )
