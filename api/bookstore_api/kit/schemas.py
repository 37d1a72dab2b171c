"""What all bodies share."""

from typing import Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")


class Strict(BaseModel):
    """A body in which a field with a typing mistake is an error."""

    model_config = ConfigDict(extra="forbid")


def _hide_defaults(schema: dict[str, Any]) -> None:
    """Leave out defaults that are never used: a field that was not sent is not changed."""
    for field in schema["properties"].values():
        field.pop("default", None)


class MergePatch(BaseModel):
    """A JSON merge patch (RFC 7396): fields left out stay as they are, objects are merged.

    `null` removes a field, so for one that does not exist it is the only value, without effect.
    """

    model_config = ConfigDict(extra="allow", json_schema_extra=_hide_defaults)
    __pydantic_extra__: dict[str, None] = Field(init=False)

    def sent(self) -> set[str]:
        """Return the names of the fields that were sent and exist."""
        return self.model_fields_set & type(self).model_fields.keys()

    def changed(self, name: str, stored: T) -> T:
        """Return the value that was sent for a field, else the stored one."""
        return cast("T", getattr(self, name)) if name in self.sent() else stored
