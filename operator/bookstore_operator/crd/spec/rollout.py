"""`spec.rollout`: how a release goes on."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bookstore_operator.crd.base import (
    Part,
)

Seconds = Annotated[int, Field(ge=0, le=86400)]


class Rollout(Part):
    """How a release goes on."""

    progress_deadline_seconds: int = Field(
        600,
        ge=1,
        le=86400,
        description="How long the new color may take to become available, in seconds.",
    )
    scale_down_delay_seconds: Seconds = Field(
        30,
        description="How long the old color stays warm, in seconds, once users have left it.",
    )
    history_limit: int = Field(
        10, ge=2, le=100, description="How many finished BookStoreReleases are kept."
    )
