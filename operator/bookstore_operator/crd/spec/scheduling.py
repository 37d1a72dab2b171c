"""`spec.scheduling`: constraints on the nodes that the Pods of a BookStore run on."""

from typing import Annotated, Literal

from pydantic import Field

from bookstore_operator.crd.base import (
    EMPTY,
    NULLABLE,
    LabelKey,
    LabelMap,
    LabelValue,
    ObjectName,
    Part,
)
from bookstore_operator.crd.spec.affinity import Affinity


class Toleration(Part):
    """A node taint that the Pods tolerate, as in core/v1 Toleration."""

    key: LabelKey | None = Field(
        None, description="Taint key that the toleration applies to. Unset matches all keys."
    )
    operator: Literal["Exists", "Equal"] = Field(
        "Equal", description="How the value is compared: Equal, or Exists for any value."
    )
    value: LabelValue | None = Field(None, description="Taint value that the toleration matches.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="Taint effect to match. Unset matches all effects."
    )
    toleration_seconds: int | None = Field(
        None,
        description="How long a taint with effect NoExecute is tolerated, in seconds. Unset: "
        "indefinitely.",
    )


class Scheduling(Part):
    """Constraints on the nodes that the Pods run on: API, database, cache, migration, backup."""

    node_selector: LabelMap = Field(
        default_factory=dict,
        description="Labels that a node must have to run the Pods.",
        json_schema_extra=EMPTY,
    )
    tolerations: Annotated[list[Toleration], Field(max_length=20)] = Field(
        default_factory=list, description="Node taints that the Pods tolerate."
    )
    priority_class_name: ObjectName | None = Field(None, description="PriorityClass of the Pods.")
    affinity: Affinity | None = Field(
        None,
        description="Rules about nodes, and about Pods that run on them.",
        json_schema_extra=NULLABLE,
    )
