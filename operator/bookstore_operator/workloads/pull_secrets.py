"""The Secrets that images are pulled with: looked at only where a Pod can't pull its image.

The kubelet leaves out one that is missing or of another type, and what it then says of the image
names no Secret.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bookstore_operator.core.plan import Manifest, ObjectRef

UNPULLABLE = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
"""What the kubelet calls it that a container waits for its image."""

_KEYS: Mapping[str, str] = {
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
    "kubernetes.io/dockercfg": ".dockercfg",
}
"""The key that has the credentials, by the Secret's type."""
_USUAL = "kubernetes.io/dockerconfigjson"


def secrets_of(pod: Manifest) -> tuple[str, ...]:
    """Return the names of the Secrets that a Pod's images are pulled with."""
    named = (pod.get("spec") or {}).get("imagePullSecrets") or ()
    return tuple(each["name"] for each in named if each.get("name"))


def secrets_of_interest(objects: Mapping[ObjectRef, Manifest]) -> frozenset[str]:
    """Return the names of the Secrets of those Pods that can't pull their image."""
    pods = (obj for key, obj in objects.items() if key.kind == "Pod")
    return frozenset(name for pod in pods if _unpullable(pod) for name in secrets_of(pod))


def fault_of(secret: Manifest | None) -> str | None:
    """Return why nothing is pulled with a Secret, as the end of a sentence, or None."""
    if secret is None:
        return "does not exist"
    kind = str(secret.get("type") or "Opaque")
    if kind not in _KEYS:
        return f"is of type {kind}, not {_USUAL}"
    if not (secret.get("data") or {}).get(_KEYS[kind]):
        return f"has no key `{_KEYS[kind]}`"
    return None


def _unpullable(pod: Manifest) -> bool:
    return any(reason in UNPULLABLE for reason in _waiting(pod))


def _waiting(pod: Manifest) -> Iterator[str]:
    for container in pod.get("status", {}).get("containerStatuses") or ():
        yield (container.get("state", {}).get("waiting") or {}).get("reason", "")
