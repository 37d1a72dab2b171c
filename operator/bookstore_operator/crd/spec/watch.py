"""`spec.rollout.watch`: how a new release is watched while users are sent to it."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from bookstore_operator.crd.base import Part

SLOW_EDGES = (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)
"""The edges of the API's histogram of durations in ms: between two of them nothing is known."""

Percent = Annotated[int, Field(ge=0, le=100)]
Query = Annotated[str, Field(min_length=1, max_length=2000)]


class OnInconclusive(StrEnum):
    """What follows a watch that could not judge."""

    PROMOTE = "Promote"
    HOLD = "Hold"
    ROLL_BACK = "RollBack"


class Prometheus(Part):
    """A Prometheus that is asked instead of the Pods.

    Each query returns one number: a count within the last `{{ seconds }}` seconds.
    """

    url: str = Field(
        min_length=1,
        max_length=500,
        pattern=r"^https?://[^\s/?#]+[^\s?#]*$",
        description="URL of its HTTP API without /api/v1, as in http://prometheus.monitoring:9090. "
        "The operator connects to it, unless it has credentials, or its host is at a loopback, "
        "link-local or metadata address, or none of the operator's `--prometheus-hosts`.",
    )
    requests: Query | None = Field(
        None,
        description="PromQL query for the number of requests. It must return nothing, rather than "
        "0, if the Pods are not measured. Variables, in double braces: namespace, store, pods (a "
        "regular expression for the Pods' names), revision, color, seconds, slow (a regular "
        "expression for the label `le` of the slow limit). Defaults to the API's own metrics, by "
        "the labels `namespace` and `pod`.",
    )
    errors: Query | None = Field(
        None, description="PromQL query for the number of requests that failed; 0 if none did."
    )
    slow: Query | None = Field(
        None, description="PromQL query for the number of requests slower than the limit."
    )


class Watch(Part):
    """How a new release is watched while users are sent to it.

    If it exceeds a limit, users are sent back to the release before it.
    """

    seconds: int = Field(
        60,
        ge=0,
        le=86400,
        description="How long to watch, in seconds. 0: not at all, and metrics are not needed.",
    )
    max_error_percent: Percent = Field(
        5,
        description="Limit for the percentage of requests answered with a status of 500 or above. "
        "Exceeded only if the release before it was clearly better.",
    )
    max_slow_percent: Percent = Field(
        10,
        description="Limit for the percentage of slow requests. Exceeded only if the release "
        "before it was clearly better.",
    )
    slow_milliseconds: int = Field(
        1000,
        ge=SLOW_EDGES[0],
        le=SLOW_EDGES[-1],
        description="Requests that take longer are slow: an edge of the API's histogram of "
        "durations.",
        json_schema_extra={"enum": list(SLOW_EDGES)},
    )
    max_restarts: int = Field(
        0, ge=0, le=1000, description="Limit for the number of restarts of the API's containers."
    )
    min_requests: int = Field(
        20,
        ge=1,
        le=1000000,
        description="Percentages of fewer requests are not judged: the watch is inconclusive.",
    )
    on_inconclusive: OnInconclusive = Field(
        OnInconclusive.PROMOTE,
        description="What to do if there were too few requests or no metrics. `Promote`: the "
        "release is kept. `Hold`: a person decides, or more requests do. `RollBack`: users are "
        "sent back.",
    )
    prometheus: Prometheus | None = Field(
        None, description="Ask a Prometheus instead of reading the Pods' own metrics."
    )
