"""The Pods that a Service routes to: those in its EndpointSlices, which kube-proxy reads."""

from collections.abc import Iterator
from dataclasses import dataclass

from bookstore_operator.core import names
from bookstore_operator.core.kinds import ENDPOINT_SLICES
from bookstore_operator.core.labels import SERVICE_NAME_LABEL
from bookstore_operator.core.lookup import all_of, label
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The Pods behind a Service, by uid: one with two addresses counts once.

    A slice of another controller, such as a mirror of another cluster's Service, may name a Pod
    without its uid: it then counts by its name.
    """

    listed: frozenset[str]
    ready: frozenset[str]
    """The Pods that new connections are routed to."""


def endpoints(snapshot: Snapshot, service: str = "") -> Endpoints:
    """Return the Pods behind a Service, by default the active one."""
    name = service or names.service(snapshot.store.name)
    pods = [(_identity(endpoint["targetRef"]), endpoint) for endpoint in _of_pods(snapshot, name)]
    return Endpoints(
        frozenset(uid for uid, _ in pods),
        frozenset(uid for uid, endpoint in pods if _is_ready(endpoint)),
    )


def slices_of_others(snapshot: Snapshot) -> list[str]:
    """Return the EndpointSlices of the active Service that Kubernetes does not keep for it.

    kube-proxy routes to all of a Service's slices, whoever makes them. Kubernetes' own have the
    Service as their owner.
    """
    return [
        endpoint_slice["metadata"]["name"]
        for endpoint_slice in _slices(snapshot, names.service(snapshot.store.name))
        if endpoint_slice.get("endpoints") and not endpoint_slice["metadata"].get("ownerReferences")
    ]


def _slices(snapshot: Snapshot, service: str) -> Iterator[Manifest]:
    for endpoint_slice in all_of(snapshot, ENDPOINT_SLICES):
        if label(endpoint_slice, SERVICE_NAME_LABEL) == service:
            yield endpoint_slice


def _of_pods(snapshot: Snapshot, service: str) -> Iterator[Manifest]:
    for endpoint_slice in _slices(snapshot, service):
        yield from (
            endpoint
            for endpoint in endpoint_slice.get("endpoints") or ()
            if (endpoint.get("targetRef") or {}).get("kind") == "Pod"
        )


def _is_ready(endpoint: Manifest) -> bool:
    """Whether an endpoint is ready; unset means ready (discovery.k8s.io/v1 EndpointConditions)."""
    return (endpoint.get("conditions") or {}).get("ready") is not False


def _identity(target: Manifest) -> str:
    return str(target.get("uid") or target.get("name"))
