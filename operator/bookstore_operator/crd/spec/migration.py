"""`spec.migration`: how the database schema is migrated."""

from enum import StrEnum

from pydantic import Field

from bookstore_operator.crd.base import Part
from bookstore_operator.crd.spec.resources import Resources


class Contract(StrEnum):
    """Who decides that what only older code needs is removed from the schema."""

    AUTOMATIC = "Automatic"
    MANUAL = "Manual"
    NEVER = "Never"


class Migration(Part):
    """How the database schema is migrated."""

    timeout_seconds: int = Field(
        600, ge=1, le=86400, description="Time limit of one attempt, in seconds."
    )
    attempts: int = Field(
        3,
        ge=1,
        le=20,
        description="Number of failed attempts after which the release fails. An attempt does not "
        "count if the database is unreachable, locked or out of disk space, or if it rejects the "
        "credentials: it is retried until `rollout.progressDeadlineSeconds` is over, and without "
        "limit if no other release serves.",
    )
    contract: Contract = Field(
        Contract.AUTOMATIC,
        description="Whether what only older code needs is removed from the schema. It waits for "
        "the end of the rollback window, until no Pod of older code is left, and for a backup that "
        "began after the switch; so nothing is removed without `backup`. `Manual`: also for "
        "`contractApproved` of the BookStoreRelease that serves.",
    )
    resources: Resources | None = Field(
        None, description="CPU and memory of a migration's Pod. Defaults to `spec.resources`."
    )
