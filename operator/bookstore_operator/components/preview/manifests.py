"""The Service that reaches a release before users are sent to it."""

from bookstore_operator.core import names
from bookstore_operator.core.kinds import SERVICES
from bookstore_operator.core.labels import REVISION_LABEL, Component, release_selector, selector
from bookstore_operator.core.metadata import owned_object
from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.release import BookStoreRelease

NOBODY = "none"
"""A revision that no Pod has: the Service selects nothing."""


def preview_service(store: BookStore, release: BookStoreRelease | None) -> Manifest:
    """Return the preview Service, which selects the Pods of a release; of None for None.

    It is kept between releases, so that its name resolves: a name that did not exist a moment ago
    may be remembered as unknown for a while (negative caching, RFC 2308).
    """
    nobody = {**selector(store.name, Component.API), REVISION_LABEL: NOBODY}
    spec = {
        "type": "ClusterIP",
        "ipFamilyPolicy": store.spec.service.ip_family_policy.value,
        "selector": release_selector(release) if release else nobody,
        "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
    }
    name = names.preview_service(store.name)
    return owned_object(SERVICES, store, name, Component.API, spec=spec)
