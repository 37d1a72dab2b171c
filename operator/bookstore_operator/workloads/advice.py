"""What to do about Pods that are not created, not scheduled or not started: which field helps."""

import re
from collections.abc import Iterator, Mapping

from bookstore_operator.core import names
from bookstore_operator.core.labels import COMPONENT_LABEL, Component
from bookstore_operator.core.lookup import label
from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.bookstore import BookStoreSpec

RESOURCES: Mapping[str | None, str] = {
    Component.API: "spec.resources",
    Component.MIGRATION: "spec.migration.resources",
    Component.CHECK: "spec.migration.resources",
    Component.DATABASE: "spec.database.embedded.resources",
    Component.RESTORED_DATABASE: "spec.database.embedded.resources",
    Component.CACHE: "spec.cache.embedded.resources",
    Component.BACKUP: "spec.backup.resources",
    Component.VERIFY: "spec.backup.resources",
    Component.DRILL: "spec.backup.drill.resources",
}
"""The field with a Pod's resources, by component."""

_OUT_OF_RANGE = re.compile(
    r"(maximum|minimum|ratio) .*per (Container|Pod)|usage per (Container|Pod|Persistent)"
)
_UNSPECIFIED = re.compile(
    r"\b(?:(?:limits|requests)\.)?(?:cpu|memory|ephemeral-storage)\b(?= for:)"
)
_OLD_UNSPECIFIED = re.compile(r"must specify ([\w.,-]+)")
"""Kubernetes before 1.25 lists them as `must specify limits.cpu,limits.memory`."""


def storage_field(spec: BookStoreSpec, component: str | None) -> str:
    """Return the field with the size and class of the volume of a component's Pods."""
    backups = spec.backup.volume_field if spec.backup else "spec.backup.storage"
    fields = {
        Component.DATABASE.value: "spec.database.embedded.storage",
        Component.RESTORED_DATABASE.value: "spec.database.embedded.storage",
        Component.BACKUP.value: backups,
        Component.VERIFY.value: backups,
        Component.DRILL.value: backups,
    }
    return fields.get(component or "", "spec")


NO_PLATFORM = ("no match for platform", "no matching manifest for")
"""How containerd and registries say that an image lacks the node's platform."""
PLATFORM_ADVICE = (
    "Build it for the node's platform, too, or choose other nodes in spec.scheduling.nodeSelector "
    "(kubernetes.io/arch)."
)


def claim_name(store: str, pod: Manifest) -> str:
    """Return the name of a Pod's volume claim: the one that it mounts, else its component's."""
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    for volume in volumes:
        if claim := (volume.get("persistentVolumeClaim") or {}).get("claimName"):
            return str(claim)
    backup = label(pod, COMPONENT_LABEL) == Component.BACKUP
    return names.backup(store) if backup else names.database_claim(store)


def claim_advice(claim: Manifest, field: str, warning: str) -> str:
    """Return why a volume claim keeps a Pod from a node, and what to do; empty if unknown.

    Args:
        claim: the PersistentVolumeClaim.
        field: the field that describes it.
        warning: the newest Warning event about it; empty if there is none.

    """
    name, spec = claim["metadata"]["name"], claim.get("spec") or {}
    phase = (claim.get("status") or {}).get("phase")
    if phase == "Lost":
        return (
            f"Its volume claim {name} has lost its volume {spec.get('volumeName', '')}, and the "
            "data on it. Bring the PersistentVolume back; or give the data up, and delete the "
            f"claim: kubectl delete pvc {name}."
        )
    if phase != "Pending":
        return ""
    chosen = spec.get("storageClassName")
    if not chosen:
        return (
            f"Its volume claim {name} has no StorageClass, and the cluster no default one: set "
            f"{field}.storageClassName, or mark a StorageClass as the default. See kubectl "
            f"describe pvc {name}."
        )
    why = f": {warning.rstrip('.')}" if warning else ""
    return (
        f"Its volume claim {name} is not bound by StorageClass {chosen}{why}. Create or repair the "
        f"class, or correct {field}.storageClassName. See kubectl describe pvc {name}."
    )


def scheduling_advice(claim: str, component: str | None, cause: str) -> str:
    """Return what to do about a Pod that no node accepts, by the scheduler's message."""
    if "persistentvolumeclaim" in cause.lower():
        return f"See why its volume claim is not bound: kubectl describe pvc {claim}."
    resources = RESOURCES.get(component, "spec.resources")
    parts = {
        "taint": "tolerate the taint in spec.scheduling.tolerations",
        "node affinity/selector": "correct spec.scheduling.nodeSelector and affinity",
        "pod affinity": "correct spec.scheduling.affinity",
        "anti-affinity": "correct spec.scheduling.affinity",
        "Insufficient": f"free capacity on the nodes, or request less in {resources}",
        "Too many pods": "free capacity on the nodes",
        "were unschedulable": "uncordon a node",
        "volume node affinity": "make a node available where its volume is",
    }
    fitting = dict.fromkeys(todo for words, todo in parts.items() if words in cause)
    if not fitting:
        return f"Free capacity on the nodes, or correct {resources} and spec.scheduling."
    text = "; ".join(fitting)
    return f"{text[0].upper()}{text[1:]}."


def creation_advice(component: str | None, cause: str) -> str:
    """Return what to do about Pods that the API server rejects, by its message."""
    resources = RESOURCES.get(component, "spec.resources")
    if "persistentvolumeclaim" in cause.lower():  # the StatefulSet's: it creates the claim first
        resources = "spec.database.embedded.storage"
    if missing := _unspecified(cause):
        return f"Set {' and '.join(f'{resources}.{name}' for name in missing)}."
    if "exceeded quota" in cause:
        return f"Raise the quota, or request less in {resources}."
    if _OUT_OF_RANGE.search(cause):
        return f"Correct {resources}, or the namespace's LimitRange."
    return next((advice for words, advice in _ADMISSION.items() if words in cause), _POLICY)


_ADMISSION = {
    "PriorityClass": "Create the PriorityClass, or correct spec.scheduling.priorityClassName.",
    "service account": "Create the ServiceAccount, or correct spec.serviceAccountName.",
    "failed calling webhook": "See why the webhook does not answer; its owner may exclude this "
    "namespace.",
}
"""What to do about Pods that are not admitted, by words of the API server's message."""
_POLICY = (
    "Change the namespace's policies to admit them; they meet the restricted Pod Security "
    "Standard. Labels and annotations that a policy wants go into spec.podMetadata."
)


def _unspecified(cause: str) -> list[str]:
    """Return the resources that a quota requires and a container does not specify."""
    if "must specify" not in cause:
        return []
    old = _OLD_UNSPECIFIED.search(cause)
    found = _UNSPECIFIED.findall(cause) or (old[1].split(",") if old else [])
    return [name if "." in name else f"requests.{name}" for name in dict.fromkeys(found)]


def reference_advice(spec: BookStoreSpec, component: str | None, cause: str) -> str:
    """Return which field names the Secret or ConfigMap that a container lacks; empty if none."""
    if component not in {Component.API, Component.MIGRATION, Component.CHECK}:
        return ""
    fields = [
        field
        for name, field in _references(spec)
        if re.search(rf'["/]{re.escape(name)}("|\s|$)', cause)
    ]
    return f"Create it, or correct {' and '.join(dict.fromkeys(fields))}." if fields else ""


def _references(spec: BookStoreSpec) -> Iterator[tuple[str, str]]:
    """Yield the names of the Secrets and ConfigMaps that a spec names, with its fields."""
    for variable in spec.env:
        for reference in (variable.secret_key_ref, variable.config_map_key_ref):
            if reference:
                yield reference.name, "spec.env"
    for mount in spec.secret_mounts:
        yield mount.secret_name, "spec.secretMounts"
    if spec.database.external:
        yield spec.database.external.secret_name, "spec.database.external"
    if spec.staff.secret_name:
        yield spec.staff.secret_name, "spec.staff"
    if spec.signing_keys.secret_name:
        yield spec.signing_keys.secret_name, "spec.signingKeys"
    if spec.smtp:
        yield spec.smtp.secret_name, "spec.smtp"
