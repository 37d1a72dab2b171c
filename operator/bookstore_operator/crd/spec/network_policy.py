"""`spec.networkPolicy`: which Pods may connect to the API, the database and the cache."""

from pydantic import Field

from bookstore_operator.crd.base import NULLABLE, LabelMap, Part, rules


class Scrapers(
    Part,
    json_schema_extra=rules(
        (
            "has(self.namespaceLabels) || has(self.podLabels)",
            "networkPolicy.monitoring must set namespaceLabels, podLabels or both "
            "to select the Pods that may connect",
        )
    ),
):
    """Pods selected by their labels and their namespace's labels. If both are set, both apply."""

    namespace_labels: LabelMap | None = Field(
        None,
        description="Labels of the Pods' namespace. The label `kubernetes.io/metadata.name` has "
        "its name. Defaults to the BookStore's namespace.",
        json_schema_extra=NULLABLE,
    )
    pod_labels: LabelMap | None = Field(
        None,
        description="Labels of the Pods. Defaults to all Pods in the selected namespaces.",
        json_schema_extra=NULLABLE,
    )


class NetworkPolicy(Part):
    """Which Pods may connect to the API, the database and the cache."""

    enabled: bool = Field(
        True,
        description="Create NetworkPolicies. They allow any client to connect to the public port "
        "of the API, and only this BookStore's Pods to its embedded database and cache.",
    )
    monitoring: Scrapers | None = Field(
        None,
        description="Pods that may also connect to the internal port, to scrape `/metrics`. "
        "Probes of the kubelet are always allowed.",
    )
