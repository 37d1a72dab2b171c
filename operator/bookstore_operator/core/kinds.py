"""The table of kinds that the operator reads and writes, with their API paths and verbs.

A test compares the ClusterRole in manifests/base/rbac.yaml with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never
from urllib.parse import quote

from bookstore_operator.core.labels import STORE_LABEL
from bookstore_operator.core.plan import (
    Action,
    Apply,
    ChangeKeySet,
    Create,
    CreateSecret,
    Delete,
    Manifest,
    ObjectRef,
    Scale,
    SetFinalizers,
    WriteStatus,
)
from bookstore_operator.crd import backup, bookstore, release, restore
from bookstore_operator.crd.base import API_VERSION

_BY_USERS = frozenset({bookstore.KIND, backup.KIND, restore.KIND})
"""The kinds that have no label, because users create them."""
_WATCH = ("get", "list", "watch")
_OWN = (*_WATCH, "create", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of the Kubernetes API, with the operator's verbs."""

    api_version: str
    kind: str
    plural: str
    verbs: tuple[str, ...]
    subresources: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """The verbs by subresource."""

    @property
    def group(self) -> str:
        """The API group, empty for the core one."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """The version within the group."""
        return self.api_version.rpartition("/")[2]

    @property
    def watched(self) -> bool:
        """Whether the operator watches objects of the kind."""
        return "watch" in self.verbs

    @property
    def selector(self) -> str | None:
        """The label selector for lists and watches; None for kinds that users create."""
        return None if self.kind in _BY_USERS else STORE_LABEL

    @property
    def type_meta(self) -> dict[str, str]:
        """The apiVersion and kind of a manifest."""
        return {"apiVersion": self.api_version, "kind": self.kind}

    def ref(self, name: str) -> ObjectRef:
        """Return the reference to an object of the kind within its namespace."""
        return ObjectRef(self.api_version, self.kind, name)

    def path(
        self, namespace: str | None = None, name: str | None = None, subresource: str | None = None
    ) -> str:
        """Return the URL path of the collection, of one object, or of its subresource."""
        parts = ["apis" if self.group else "api", self.api_version]
        if namespace is not None:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name is not None:
            parts.append(quote(name, safe=""))
        if subresource is not None:
            parts.append(subresource)
        return "/" + "/".join(parts)


_RECORD = (("status", ("patch",)), ("finalizers", ("update",)))
"""OwnerReferencesPermissionEnforcement requires update of finalizers to set an owner reference."""

BOOKSTORES = Resource(API_VERSION, bookstore.KIND, bookstore.PLURAL, (*_WATCH, "patch"), _RECORD)
"""Patched for its finalizer only."""
RELEASES = Resource(API_VERSION, release.KIND, release.PLURAL, _OWN, _RECORD)
BACKUPS = Resource(
    API_VERSION,
    backup.KIND,
    backup.PLURAL,
    _OWN,
    (("status", ("patch",)),),
)
RESTORES = Resource(API_VERSION, restore.KIND, restore.PLURAL, _WATCH, _RECORD)
DEPLOYMENTS = Resource("apps/v1", "Deployment", "deployments", _OWN, (("scale", ("patch",)),))
STATEFUL_SETS = Resource("apps/v1", "StatefulSet", "statefulsets", _OWN)
JOBS = Resource("batch/v1", "Job", "jobs", _OWN)
CRON_JOBS = Resource("batch/v1", "CronJob", "cronjobs", _OWN)
PODS = Resource("v1", "Pod", "pods", (*_WATCH, "delete"))
SERVICES = Resource("v1", "Service", "services", _OWN)
CLAIMS = Resource("v1", "PersistentVolumeClaim", "persistentvolumeclaims", _OWN)
ENDPOINT_SLICES = Resource(
    "discovery.k8s.io/v1", "EndpointSlice", "endpointslices", ("list", "watch")
)
AUTOSCALERS = Resource(
    "autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", _OWN
)
DISRUPTION_BUDGETS = Resource(
    "policy/v1",
    "PodDisruptionBudget",
    "poddisruptionbudgets",
    ("get", "list", "watch", "create", "patch"),
)
"""Each BookStore has one, so it is deleted with its owner only."""
NETWORK_POLICIES = Resource("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", _OWN)
INGRESSES = Resource("networking.k8s.io/v1", "Ingress", "ingresses", _OWN)
SECRETS = Resource("v1", "Secret", "secrets", ("get", "create", "patch"))
"""Never listed or watched: Secrets are read one by one, by name."""
EVENTS = Resource("events.k8s.io/v1", "Event", "events", ("create", "patch"))
CORE_EVENTS = Resource("v1", "Event", "events", ("list",))
"""The same events in core/v1, whose field selector supports the involved object."""
LEASES = Resource("coordination.k8s.io/v1", "Lease", "leases", ("create", "get", "update"))
"""In the operator's own namespace only, by a Role."""

MUTATING_WEBHOOKS = Resource(
    "admissionregistration.k8s.io/v1",
    "MutatingWebhookConfiguration",
    "mutatingwebhookconfigurations",
    ("list",),
)
"""Not in the table: the right to list them is optional, and they are in no namespace."""

KINDS = (
    *(BOOKSTORES, RELEASES, BACKUPS, RESTORES),
    *(DEPLOYMENTS, STATEFUL_SETS, JOBS, CRON_JOBS, PODS, SERVICES, CLAIMS),
    *(ENDPOINT_SLICES, AUTOSCALERS, DISRUPTION_BUDGETS, NETWORK_POLICIES, INGRESSES),
    *(SECRETS, EVENTS, CORE_EVENTS, LEASES),
)
RECORDS = frozenset({RELEASES.kind, BACKUPS.kind, RESTORES.kind})
"""The operator's own kinds that belong to a BookStore."""
WATCHED = tuple(resource for resource in KINDS if resource.watched)
OBSERVED = tuple(resource for resource in WATCHED if resource is not BOOKSTORES)
"""The kinds of a Snapshot's objects, read by the BookStore's label; Secrets are read by name."""

_BY_TYPE: Mapping[tuple[str, str], Resource] = {
    (resource.api_version, resource.kind): resource for resource in KINDS
}


def resource_of(api_version: str, kind: str) -> Resource:
    """Return a kind's row in the table.

    Raises:
        LookupError: the table has no such kind.

    """
    try:
        return _BY_TYPE[api_version, kind]
    except KeyError:
        message = f"{kind} ({api_version}) is not in the operator's table of resources"
        raise LookupError(message) from None


def key_of(manifest: Manifest) -> ObjectRef:
    """Return the reference to an object within its namespace."""
    return ObjectRef(manifest["apiVersion"], manifest["kind"], manifest["metadata"]["name"])


def target_of(action: Action) -> ObjectRef:
    """Return the reference to the object that an action writes."""
    match action:
        case Apply() | Create() | CreateSecret():
            return key_of(action.manifest)
        case Scale():
            return DEPLOYMENTS.ref(action.deployment)
        case ChangeKeySet() | Delete() | SetFinalizers() | WriteStatus():
            return action.key
        case _:
            assert_never(action)


def store_name_of(manifest: Manifest) -> str | None:
    """Return the name of the BookStore that an object belongs to; a BookStore's own for itself."""
    kind = manifest.get("kind")
    if kind == BOOKSTORES.kind:
        name = manifest["metadata"].get("name")
    elif kind in {BACKUPS.kind, RESTORES.kind}:
        name = (manifest.get("spec") or {}).get("storeName")
    else:
        name = (manifest["metadata"].get("labels") or {}).get(STORE_LABEL)
    return name if isinstance(name, str) else None
