"""What all bodies share."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A body in which a field with a typing mistake is an error."""

    model_config = ConfigDict(extra="forbid")
