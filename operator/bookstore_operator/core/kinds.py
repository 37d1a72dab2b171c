"""The kinds of object the operator reads and writes, and where the API serves them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from bookstore_operator.core.plan import Manifest, ObjectRef

GROUP = "bookstore.dev"
API_VERSION = f"{GROUP}/v1alpha1"
STORE_LABEL = f"{GROUP}/store"
BOOKSTORE = "BookStore"
RELEASE = "BookStoreRelease"


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind as the API names it. All kinds here are namespaced."""

    api_version: str
    kind: str
    plural: str

    @property
    def group(self) -> str:
        """The API group, empty for the core one."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """The version within the group."""
        return self.api_version.rpartition("/")[2]

    def path(
        self,
        namespace: str | None = None,
        name: str | None = None,
        subresource: str | None = None,
    ) -> str:
        """Make the URL path of the collection, of one object, or of its subresource."""
        parts = ["apis" if self.group else "api", self.api_version]
        if namespace is not None:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name is not None:
            parts.append(quote(name, safe=""))
        if subresource is not None:
            parts.append(subresource)
        return "/" + "/".join(parts)


BOOKSTORES = Resource(API_VERSION, BOOKSTORE, "bookstores")
RELEASES = Resource(API_VERSION, RELEASE, "bookstorereleases")
DEPLOYMENTS = Resource("apps/v1", "Deployment", "deployments")
STATEFUL_SETS = Resource("apps/v1", "StatefulSet", "statefulsets")
CLAIMS = Resource("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
SECRETS = Resource("v1", "Secret", "secrets")

OWNED: tuple[Resource, ...] = (
    DEPLOYMENTS,
    STATEFUL_SETS,
    Resource("batch/v1", "Job", "jobs"),
    Resource("batch/v1", "CronJob", "cronjobs"),
    Resource("v1", "Pod", "pods"),
    Resource("v1", "Service", "services"),
    CLAIMS,
    Resource("discovery.k8s.io/v1", "EndpointSlice", "endpointslices"),
    Resource("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    Resource("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    Resource("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
)
"""What carries the label of its BookStore and is watched by it."""

WATCHED: tuple[Resource, ...] = (BOOKSTORES, RELEASES, *OWNED)
"""All that is watched; Secrets never are: they are read one by one, by name."""

_BY_KIND: Mapping[tuple[str, str], Resource] = {
    (resource.api_version, resource.kind): resource for resource in (*WATCHED, SECRETS)
}


def resource_of(api_version: str, kind: str) -> Resource:
    """Find a kind in the table.

    Raises:
        LookupError: the operator has no business with such objects.

    """
    try:
        return _BY_KIND[api_version, kind]
    except KeyError:
        message = f"{kind} ({api_version}) is not in the operator's table of resources"
        raise LookupError(message) from None


def selector_of(resource: Resource) -> str | None:
    """Make the label selector that keeps everybody else's objects out, on the server's side."""
    return None if resource is BOOKSTORES else STORE_LABEL


def key_of(manifest: Manifest) -> ObjectRef:
    """Name an object within its namespace."""
    return ObjectRef(manifest["apiVersion"], manifest["kind"], manifest["metadata"]["name"])


def bookstore_key(name: str) -> ObjectRef:
    """Name a BookStore within its namespace."""
    return ObjectRef(API_VERSION, BOOKSTORE, name)


def store_name_of(manifest: Manifest) -> str | None:
    """Name the BookStore that an object belongs to; a BookStore belongs to itself."""
    if manifest.get("kind") == BOOKSTORE:
        name = manifest["metadata"].get("name")
    else:
        name = (manifest["metadata"].get("labels") or {}).get(STORE_LABEL)
    return name if isinstance(name, str) else None
