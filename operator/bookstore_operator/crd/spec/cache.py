"""`spec.cache`: a Redis for what the API's processes share."""

from __future__ import annotations

from pydantic import Field

from bookstore_operator.crd.base import (
    DataKey,
    ObjectName,
    Part,
    group,
    rules,
)
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
            "cache.embedded.resources.limits.memory is needed, "
            f"{SMALLEST_CACHE} at least: the cache keeps what fits into it",
        )
    ),
):
    """One Valkey server of the BookStore's own. It keeps nothing when it ends."""

    resources: Resources = group(
        _cache_resources, "CPU and memory of the server; its memory limit is the cache's size."
    )


class ExternalCache(Part):
    """A Redis or Valkey that someone else runs, told by a Secret of the same namespace."""

    secret_name: ObjectName = Field(description="The Secret with the URI of Redis.")
    key: DataKey = Field("uri", description="The key of the URI (`redis://…`, `rediss://…`).")


class Cache(
    Part,
    json_schema_extra=rules(
        (
            "has(self.embedded) != has(self.external)",
            "give one of cache.embedded and cache.external",
        ),
    ),
):
    """A Redis for what the API's processes share: exactly one of the two."""

    embedded: EmbeddedCache | None = Field(
        None, description="One Valkey server of the BookStore's own."
    )
    external: ExternalCache | None = Field(
        None, description="A Redis or Valkey that someone else runs."
    )
