"""`spec.rollout`: how a release is rolled out."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from bookstore_operator.crd.base import Part, group
from bookstore_operator.crd.spec.watch import Watch

Seconds = Annotated[int, Field(ge=0, le=86400)]


class Promotion(StrEnum):
    """Who decides that users are sent to a verified release."""

    AUTOMATIC = "Automatic"
    AFTER = "After"
    MANUAL = "Manual"


class Rollout(Part):
    """How a release is rolled out."""

    promotion: Promotion = Field(
        Promotion.AUTOMATIC,
        description="When users are sent to a release that is verified. `Automatic`: at once. "
        "`After`: after `promoteAfterSeconds`, or once it is approved. `Manual`: once it is "
        "approved, without a time limit. Who has the role `bookstore-approver` approves it "
        "(`kubectl bookstore approve`) or aborts it. The first release of a BookStore needs no "
        "approval.",
    )
    promote_after_seconds: Seconds = Field(
        300,
        description="How long a release with `promotion: After` waits before users are sent to "
        "it, in seconds.",
    )

    progress_deadline_seconds: int = Field(
        600,
        ge=1,
        le=86400,
        description="Time limit for what a stage of a release waits for, such as the Pods of the "
        "new color, a Secret or the database, in seconds. After it the release fails. A running "
        "migration has its own limit.",
    )
    scale_down_delay_seconds: Seconds = Field(
        30,
        description="How long the old color keeps running after the Service has switched to the "
        "new one, in seconds.",
    )
    watch: Watch = group(
        Watch, "How a new release is watched while users are sent to it. The first release is not."
    )
    rollback_window_seconds: Seconds = Field(
        300,
        description="How long the Pods of the old color are kept after the watch, in seconds, so "
        "that a rollback is a switch. The next release takes the color at once.",
    )
    history_limit: int = Field(
        10, ge=2, le=100, description="Number of finished BookStoreReleases to keep."
    )
