"""BookStoreRelease: one attempt to make a revision active, and the durable record of it."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

from pydantic import Field

from bookstore_operator.crd.base import Metadata, Part, SmallText, Time, rules
from bookstore_operator.crd.bookstore import BookStoreSpec
from bookstore_operator.crd.intent import intent_schema

KIND = "BookStoreRelease"
PLURAL = "bookstorereleases"


class Color(StrEnum):
    """One of the two Deployments of a BookStore."""

    BLUE = "blue"
    GREEN = "green"

    @property
    def other(self) -> Color:
        """The color that this one is not."""
        return Color.GREEN if self is Color.BLUE else Color.BLUE


class Result(StrEnum):
    """How a release stands. Without one it is on its way to be promoted."""

    PROMOTED = "Promoted"
    """It serves; what is left is the end of the old color."""
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    SUPERSEDED = "Superseded"


IMMUTABLE = rules(
    ("self == oldSelf", "a BookStoreRelease is a record: only approved and aborted change")
)


class ReleaseSpec(Part):
    """What was asked for. Immutable, but for what people decide about it."""

    store_name: SmallText = Field(
        description="The BookStore it belongs to.", json_schema_extra=IMMUTABLE
    )
    revision: int = Field(
        ge=1,
        description="Counts what was asked for.",
        json_schema_extra=IMMUTABLE,
    )
    attempt: int = Field(
        1, ge=1, description="Counts the attempts at the revision.", json_schema_extra=IMMUTABLE
    )
    color: Color = Field(description="Where it runs.", json_schema_extra=IMMUTABLE)
    intent: dict[str, Any] = Field(
        description="The part of the BookStore's spec that it makes true.",
        json_schema_extra={**IMMUTABLE, **intent_schema(BookStoreSpec)},
    )
    pod_template: str = Field(
        max_length=65536,
        description="The Pod template that the operator of that day made of the intent: a newer "
        "operator makes no other of it. JSON as text, for CEL guards no untyped object.",
        json_schema_extra=IMMUTABLE,
    )
    approved: bool | None = Field(
        None, description="Set by people: it may be promoted. Nothing waits for it yet."
    )
    aborted: bool | None = Field(
        None, description="Set by people: give up. What serves goes on serving."
    )

    def template(self) -> dict[str, Any]:
        """Return the Pod template as data."""
        template: dict[str, Any] = json.loads(self.pod_template)
        return template


class ReleaseStatus(Part):
    """The durable record of what can't be observed."""

    stage: str | None = Field(None, description="The stage it is at, or ended at.")
    stage_started_at: Time | None = Field(None, description="When that stage began.")
    attempts: int = Field(0, description="Migration Jobs started so far.")
    result: Result | None = Field(None, description="How it stands.")
    reason: str = Field("", description="Why, as a word for programs.")
    message: str = Field("", description="Why, as a sentence for people.")
    promoted_at: Time | None = Field(None, description="When it became active.")
    served_at: Time | None = Field(
        None,
        description="When the active Service's endpoints were its Pods and no others: from then "
        "on the old color is kept warm.",
    )
    demoted_at: Time | None = Field(None, description="When its color was given up.")
    schema_revisions: list[str] = Field(
        default_factory=list, alias="schema", description="The schema after its migration."
    )


class BookStoreRelease(Part):
    """One attempt to make a revision of a BookStore active."""

    api_version: str = ""
    kind: str = KIND
    metadata: Metadata
    spec: ReleaseSpec
    status: ReleaseStatus = Field(default_factory=ReleaseStatus)

    @property
    def name(self) -> str:
        """The release's name."""
        return self.metadata.name

    @property
    def in_flight(self) -> bool:
        """Whether it is on its way to be promoted."""
        return self.status.result is None
