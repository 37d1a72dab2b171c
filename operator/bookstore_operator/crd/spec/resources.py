"""`spec.resources`: CPU and memory of a container."""

from collections.abc import Callable

from pydantic import Field

from bookstore_operator.crd.base import Part, Quantity, group, rules


class ResourceAmounts(Part):
    """Quantities of CPU and memory."""

    cpu: Quantity | None = Field(None, description="CPU, in cores or millicores. Example: `500m`.")
    memory: Quantity | None = Field(None, description="Memory, in bytes. Example: `256Mi`.")
    ephemeral_storage: Quantity | None = Field(
        None,
        alias="ephemeral-storage",
        description="Disk space of the node for logs and temporary files, in bytes.",
    )


def _within_limit(amount: str) -> tuple[str, str]:
    field = amount.replace("-", "__dash__")
    asked, most = f"self.requests.{field}", f"self.limits.{field}"
    given = f"has(self.requests) && has({asked}) && has(self.limits) && has({most})"
    larger = f"quantity(string({asked})).isGreaterThan(quantity(string({most})))"
    return (
        f"!({given}) || !{larger}",
        f"resources.requests.{amount} must not be greater than resources.limits.{amount}",
    )


_AMOUNTS = ("cpu", "memory", "ephemeral-storage")


class Resources(Part, json_schema_extra=rules(*map(_within_limit, _AMOUNTS))):
    """CPU and memory of a container."""

    requests: ResourceAmounts = group(ResourceAmounts, "Resources that the scheduler reserves.")
    limits: ResourceAmounts = group(ResourceAmounts, "Maximum resources that a container may use.")


def default_resources(cpu: str, memory: str, memory_limit: str) -> Callable[[], Resources]:
    """Return what constructs the default of a container: its requests and its memory limit."""
    return lambda: Resources(
        requests=ResourceAmounts(cpu=cpu, memory=memory),
        limits=ResourceAmounts(memory=memory_limit),
    )
