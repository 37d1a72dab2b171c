"""The Ingress, as long as the spec has one."""

from collections.abc import Iterator

from bookstore_operator.components.ingress.manifests import ingress_manifest
from bookstore_operator.core import names
from bookstore_operator.core.ensure import ensure, ensure_absent
from bookstore_operator.core.kinds import INGRESSES
from bookstore_operator.core.lookup import find
from bookstore_operator.core.plan import Action
from bookstore_operator.core.snapshot import Snapshot


def ensure_ingress(snapshot: Snapshot) -> Iterator[Action]:
    """Yield the changes of the Ingress, also before the first promotion: certificates take time.

    None as long as another BookStore has its host: see hosts.py.
    """
    ingress = snapshot.store.spec.ingress
    if ingress is None:
        old = find(snapshot, INGRESSES, names.service(snapshot.store.name))
        yield from ensure_absent(old, "spec.ingress was removed.")
    elif not snapshot.host_taken_by:
        yield from ensure(snapshot, ingress_manifest(snapshot.store, ingress))
