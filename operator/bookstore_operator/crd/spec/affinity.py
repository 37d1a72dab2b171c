"""`spec.scheduling.affinity`: rules about nodes, and about Pods that run on them."""

from typing import Annotated, Literal

from pydantic import Field

from bookstore_operator.crd.base import NULLABLE, LabelKey, LabelMap, LabelValue, Part, rules

Values = Annotated[list[LabelValue], Field(max_length=20)]
Weight = Annotated[int, Field(ge=1, le=100)]


class NodeRequirement(
    Part,
    json_schema_extra=rules(
        (
            "self.operator in ['Exists', 'DoesNotExist'] "
            "? !has(self.values) || size(self.values) == 0 "
            ": has(self.values) && size(self.values) > 0",
            "values are required, except with the operators Exists and DoesNotExist, which have "
            "none",
        )
    ),
):
    """A requirement on a node's label, as in core/v1 NodeSelectorRequirement."""

    key: LabelKey = Field(description="Key of the label.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = Field(
        description="How the label is compared with the values."
    )
    values: Values | None = Field(None, description="Values to compare with.")


class NodeTerm(Part):
    """Requirements that must all hold."""

    match_expressions: Annotated[list[NodeRequirement], Field(min_length=1, max_length=10)] = Field(
        description="Requirements on the labels of a node."
    )


class PreferredNodes(Part):
    """Nodes that the scheduler prefers."""

    weight: Weight = Field(description="Weight of the preference, from 1 to 100.")
    preference: NodeTerm = Field(description="Nodes that are preferred.")


class RequiredNodes(Part):
    """Nodes that the Pods may run on."""

    node_selector_terms: Annotated[list[NodeTerm], Field(min_length=1, max_length=10)] = Field(
        description="A node must match one of the terms."
    )


class NodeAffinity(Part):
    """Rules about nodes, as in core/v1 NodeAffinity."""

    required_during_scheduling_ignored_during_execution: RequiredNodes | None = Field(
        None, description="Nodes that the Pods may run on."
    )
    preferred_during_scheduling_ignored_during_execution: (
        Annotated[list[PreferredNodes], Field(max_length=10)] | None
    ) = Field(None, description="Nodes that the scheduler prefers.")


class LabelRequirement(Part):
    """A requirement on a Pod's label, as in meta/v1 LabelSelectorRequirement."""

    key: LabelKey = Field(description="Key of the label.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(
        description="How the label is compared with the values."
    )
    values: Values | None = Field(None, description="Values to compare with.")


class PodSelector(Part):
    """Pods, by their labels. All requirements must hold."""

    match_labels: LabelMap | None = Field(None, description="Labels that a Pod must have.")
    match_expressions: Annotated[list[LabelRequirement], Field(max_length=10)] | None = Field(
        None, description="Requirements on the labels of a Pod."
    )


class PodTerm(Part):
    """Pods in this namespace, and the label of the nodes that count as one place."""

    label_selector: PodSelector = Field(description="The Pods.")
    topology_key: LabelKey = Field(
        description="Label of nodes whose value names the place. Example: `kubernetes.io/hostname`."
    )


class PreferredPods(Part):
    """Pods that the scheduler prefers to place together, or apart."""

    weight: Weight = Field(description="Weight of the preference, from 1 to 100.")
    pod_affinity_term: PodTerm = Field(description="The Pods and the place.")


class PodAffinity(Part):
    """Rules about other Pods, as in core/v1 PodAffinity and PodAntiAffinity."""

    required_during_scheduling_ignored_during_execution: (
        Annotated[list[PodTerm], Field(max_length=10)] | None
    ) = Field(None, description="Rules that must hold.")
    preferred_during_scheduling_ignored_during_execution: (
        Annotated[list[PreferredPods], Field(max_length=10)] | None
    ) = Field(None, description="Rules that the scheduler prefers to hold.")


class Affinity(Part):
    """Rules about nodes, and about Pods that run on them, as in core/v1 Affinity."""

    node_affinity: NodeAffinity | None = Field(
        None, description="Rules about nodes.", json_schema_extra=NULLABLE
    )
    pod_affinity: PodAffinity | None = Field(
        None,
        description="Pods whose places the Pods must or should share.",
        json_schema_extra=NULLABLE,
    )
    pod_anti_affinity: PodAffinity | None = Field(
        None,
        description="Pods whose places the Pods must not or should not share.",
        json_schema_extra=NULLABLE,
    )
