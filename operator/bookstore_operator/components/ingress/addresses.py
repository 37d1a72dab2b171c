"""The addresses that the Ingress and the load balancer were given by their controllers."""

from bookstore_operator.core import names
from bookstore_operator.core.kinds import INGRESSES, SERVICES
from bookstore_operator.core.lookup import find
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.spec.service import ServiceType

_MOST = 20


def addresses(snapshot: Snapshot) -> list[str]:
    """Return the addresses of all that exposes the API, without those of nodes."""
    objects = exposing(snapshot).values()
    listed = {address for manifest in objects if manifest for address in of(manifest)}
    return sorted(listed)[:_MOST]


def exposing(snapshot: Snapshot) -> dict[str, Manifest | None]:
    """Return what should have an address, by kind and name; None for what does not exist yet."""
    spec, name = snapshot.store.spec, names.service(snapshot.store.name)
    wanted = [INGRESSES] if spec.ingress else []
    wanted += [SERVICES] if spec.service.type is ServiceType.LOAD_BALANCER else []
    return {f"{kind.kind} {name}": find(snapshot, kind, name) for kind in wanted}


def of(manifest: Manifest) -> list[str]:
    """Return the addresses in the status of an Ingress or a Service; empty if it has none."""
    balancer = (manifest.get("status") or {}).get("loadBalancer") or {}
    points = balancer.get("ingress") or ()
    return [address for point in points if (address := point.get("ip") or point.get("hostname"))]
