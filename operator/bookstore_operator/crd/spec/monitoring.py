"""`spec.monitoring`: how the API's Pods are found by what collects metrics."""

from __future__ import annotations

from pydantic import Field

from bookstore_operator.crd.base import (
    Part,
)


class Monitoring(Part):
    """How the API's Pods are found by what collects metrics."""

    scrape_annotations: bool = Field(
        True,
        description="Annotate the API's Pods with `prometheus.io/scrape`, `port` and `path`.",
    )
