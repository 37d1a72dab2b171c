"""`spec.monitoring`: how Prometheus and other collectors find the API's Pods."""

from pydantic import Field

from bookstore_operator.crd.base import Part


class Monitoring(Part):
    """How Prometheus and other collectors find the API's Pods."""

    scrape_annotations: bool = Field(
        True,
        description="Annotate the API's Pods with `prometheus.io/scrape`, `prometheus.io/port` and "
        "`prometheus.io/path`.",
    )
