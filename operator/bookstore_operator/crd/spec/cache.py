"""`spec.cache`: Redis or Valkey for state that the API's processes share."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from bookstore_operator.crd.base import (
    NULLABLE,
    DataKey,
    ObjectName,
    Part,
    group,
    rules,
)
from bookstore_operator.crd.spec.resources import Resources, default_resources

SMALLEST_CACHE = "32Mi"

_CACHE_LIMIT = "self.resources.limits.memory"


class EmbeddedCache(
    Part,
    json_schema_extra=rules(
        (
            f"has(self.resources.limits) && has({_CACHE_LIMIT}) && "
            f"quantity(string({_CACHE_LIMIT})).compareTo(quantity('{SMALLEST_CACHE}')) >= 0",
            "cache.embedded.resources.limits.memory is required and must be at least "
            f"{SMALLEST_CACHE}: it sets the size of the cache",
        )
    ),
):
    """A Valkey server for this BookStore. It does not persist its data."""

    resources: Resources = group(
        default_resources("25m", "64Mi", "128Mi"),
        "CPU and memory of the server. The memory limit sets the size of the cache.",
    )


class ExternalCache(Part):
    """A Redis or Valkey server outside the operator's control."""

    secret_name: ObjectName = Field(
        description="Secret in the same namespace that contains the URI of the server."
    )
    key: DataKey = Field(
        "uri", description="Key of the Secret with the URI (`redis://…`, `rediss://…`)."
    )


class Cache(
    Part,
    json_schema_extra=rules(
        (
            "!has(self.embedded) || !has(self.external)",
            "at most one of cache.embedded and cache.external may be set",
        )
    ),
):
    """Redis or Valkey for state that the API's processes share.

    An embedded one with its defaults, unless one of the fields is set.
    """

    embedded: EmbeddedCache | None = Field(
        None,
        description="Valkey server that the operator runs for this BookStore.",
        json_schema_extra=NULLABLE,
    )
    external: ExternalCache | None = Field(
        None, description="Redis or Valkey server outside the operator's control."
    )

    @model_validator(mode="before")
    @classmethod
    def _embedded_by_default(cls, data: Any) -> Any:
        """Fill in an embedded cache where neither is set: see NULLABLE."""
        if isinstance(data, Mapping) and not (data.get("embedded") or data.get("external")):
            return {**data, "embedded": data.get("embedded") or {}}
        return data
