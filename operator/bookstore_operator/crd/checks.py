"""`status.checks` of a release: what its images have answered, which Jobs have asked them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from bookstore_operator.crd.base import Part, Time
from bookstore_operator.crd.text import REVISION_LENGTH, fit

VALIDATE, COMPATIBLE, BUDGET = "validate", "compatible", "budget"
"""Names of checks: of the new image's contract, and of the schema by the old and the new image."""

MOST_HEADS = 20
MESSAGE_LENGTH = 1024
CODE_LENGTH = 63


def _fitted(length: int) -> Any:
    return BeforeValidator(lambda value: fit(value, length) if isinstance(value, str) else value)


Revision = Annotated[str, Field(max_length=REVISION_LENGTH)]
Revisions = Annotated[list[Revision], Field(max_length=MOST_HEADS)]


class Heads(Part):
    """The newest revisions of an image's two migration branches."""

    expand: Revisions = Field(default_factory=list, description="Heads of the branch `expand`.")
    contract: Revisions = Field(default_factory=list, description="Heads of the branch `contract`.")


class Share(Part):
    """How many connections are allowed, and how many of them others hold."""

    limit: int | None = Field(
        None, description="Connections allowed to this application and others. Unset: unlimited."
    )
    held_by_others: int = Field(0, description="Connections that others hold.")


class Connections(Part):
    """The limits of connections to the database. One that is unset is unknown."""

    server: Share | None = Field(None, description="Limit of the server.")
    role: Share | None = Field(None, description="Limit of the role.")
    database: Share | None = Field(None, description="Limit of the database.")
    pooled: bool = Field(
        False, description="Whether a connection pooler stands between, whose limits are unknown."
    )


class Answer(Part):
    """What an image has said besides code and message. A field that is unset was not said."""

    contract: int | None = Field(None, description="Version of the contract that the image keeps.")
    version: Annotated[str, _fitted(REVISION_LENGTH)] = Field(
        "", max_length=REVISION_LENGTH, description="Version of its code."
    )
    heads: Heads | None = Field(None, description="Heads of its migration branches.")
    connections_per_pod: int | None = Field(
        None, description="Maximum number of database connections that one Pod opens."
    )
    connections: Connections | None = Field(
        None, description="Limits of connections to the database."
    )


class CheckRecord(Part):
    """One check, with its last attempt. An attempt is recorded before its Job is created."""

    name: str = Field(max_length=63, description="Name of the check. Its Job ends in it.")
    attempt: int = Field(1, ge=1, description="Number of its last attempt, from 1.")
    image: str = Field("", max_length=512, description="Image that was asked.")
    database: str = Field(
        "", max_length=63, description="Database that it was asked about. Empty: about none."
    )
    started_at: Time = Field(description="When the attempt's Job was to be created.")
    created: bool = Field(False, description="Whether the attempt's Job was created.")
    ended_at: Time | None = Field(None, description="When the attempt ended.")
    exit_code: int | None = Field(
        None, description="Exit code of its container. Unset if none is known."
    )
    code: Annotated[str, _fitted(CODE_LENGTH)] = Field(
        "", max_length=CODE_LENGTH, description="Code of its outcome. Empty if it had none."
    )
    message: Annotated[str, _fitted(MESSAGE_LENGTH)] = Field(
        "", max_length=MESSAGE_LENGTH, description="Message of its outcome, or why it had none."
    )
    image_id: str = Field("", alias="imageID", max_length=512, description="ID of the image.")
    data: Answer | None = Field(None, description="What the image has said besides.")
    reused_from: str = Field(
        "", max_length=63, description="Release whose check has given the answer, if not this one."
    )


class Fit(StrEnum):
    """Whether connections suffice."""

    FITS = "Fits"
    EXCEEDED = "Exceeded"
    UNKNOWN = "Unknown"


class ConnectionBudget(Part):
    """Whether both colors at full size fit into the database's connections."""

    result: str = Field(max_length=63, description=f"One of {', '.join(Fit)}.")
    needed: int | None = Field(
        None, description="Connections needed, with a margin. Unset if that is unknown."
    )
    message: Annotated[str, _fitted(MESSAGE_LENGTH)] = Field(
        "", max_length=MESSAGE_LENGTH, description="How it was computed, or what is unknown."
    )
