"""`spec.cache`: Redis or Valkey for state that the API's processes share."""

from __future__ import annotations

from pydantic import Field

from bookstore_operator.crd.base import DataKey, ObjectName, Part, group, rules
from bookstore_operator.crd.spec.resources import ResourceAmounts, Resources


def _cache_resources() -> Resources:
    return Resources(
        requests=ResourceAmounts(cpu="25m", memory="64Mi"),
        limits=ResourceAmounts(memory="128Mi"),
    )


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
        _cache_resources,
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
            "has(self.embedded) != has(self.external)",
            "exactly one of cache.embedded and cache.external must be set",
        ),
    ),
):
    """Redis or Valkey for state that the API's processes share. Set exactly one of the fields."""

    embedded: EmbeddedCache | None = Field(
        None, description="Valkey server that the operator runs for this BookStore."
    )
    external: ExternalCache | None = Field(
        None, description="Redis or Valkey server outside the operator's control."
    )
