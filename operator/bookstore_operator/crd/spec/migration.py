"""`spec.migration`: how the schema is changed."""

from __future__ import annotations

from pydantic import Field

from bookstore_operator.crd.base import (
    Part,
)


class Migration(Part):
    """How the schema is changed."""

    timeout_seconds: int = Field(
        600, ge=1, le=86400, description="How long one attempt may take, in seconds."
    )
    attempts: int = Field(
        3,
        ge=1,
        le=20,
        description="How often to try before the release fails. An unreachable or locked "
        "database does not count: that is tried again for ever.",
    )
