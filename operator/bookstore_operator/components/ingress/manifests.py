"""The Ingress."""

from bookstore_operator.core import names
from bookstore_operator.core.kinds import INGRESSES
from bookstore_operator.core.labels import Component
from bookstore_operator.core.metadata import annotated, owned_object
from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.spec.ingress import Ingress


def ingress_manifest(store: BookStore, ingress: Ingress) -> Manifest:
    """Return the Ingress. It names the Service, so a promotion leaves it as it is."""
    service = {"name": names.service(store.name), "port": {"name": "http"}}
    path = {"path": ingress.path, "pathType": "Prefix", "backend": {"service": service}}
    by_class = {"ingressClassName": ingress.class_name} if ingress.class_name else {}
    tls = [{"hosts": [ingress.host], "secretName": ingress.tls_secret_name}]
    spec = {
        **by_class,
        "rules": [{"host": ingress.host, "http": {"paths": [path]}}],
        **({"tls": tls} if ingress.tls_secret_name else {}),
    }
    name = names.service(store.name)
    manifest = owned_object(INGRESSES, store, name, Component.API, spec=spec)
    return annotated(manifest, ingress.annotations)
