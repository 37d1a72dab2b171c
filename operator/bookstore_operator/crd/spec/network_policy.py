"""`spec.networkPolicy`: who may open connections to the Pods."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bookstore_operator.crd.base import (
    LabelValue,
    Part,
    rules,
)

LabelMap = Annotated[dict[str, LabelValue], Field(max_length=20)]


class Scrapers(
    Part,
    json_schema_extra=rules(
        (
            "has(self.namespaceLabels) || has(self.podLabels)",
            "give networkPolicy.monitoring.namespaceLabels, podLabels or both: "
            "who else would be let in?",
        ),
    ),
):
    """Pods by their labels and those of their namespace; both hold where both are given."""

    namespace_labels: LabelMap | None = Field(
        None,
        description="Labels of the Pods' namespace (`kubernetes.io/metadata.name` is its name); "
        "the BookStore's own namespace when unset.",
    )
    pod_labels: LabelMap | None = Field(
        None, description="Labels of the Pods; all Pods of the namespace when unset."
    )


class NetworkPolicy(Part):
    """Who may open connections to the Pods."""

    enabled: bool = Field(
        True,
        description="Let anyone to the public port of the API only, and only this BookStore's own "
        "Pods to its embedded database and cache.",
    )
    monitoring: Scrapers | None = Field(
        None,
        description="Who may reach the internal port, to scrape `/metrics`. The kubelet's probes "
        "always may.",
    )
