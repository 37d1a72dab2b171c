"""Image pull secrets, which are checked only if a Pod can't pull its image.

The kubelet skips a pull secret that is missing or of another type, and its error about the image
then names no Secret.
"""

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
"""The kubelet's reasons for a container that waits for its image."""

_KEYS: Mapping[str, str] = {
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
    "kubernetes.io/dockercfg": ".dockercfg",
}
"""The key that has the credentials, by the Secret's type."""
_USUAL = "kubernetes.io/dockerconfigjson"


def secrets_of(pod: Manifest) -> tuple[str, ...]:
    """Return the names of a Pod's image pull secrets."""
    references = (pod.get("spec") or {}).get("imagePullSecrets") or ()
    return tuple(reference["name"] for reference in references if reference.get("name"))


def secrets_of_interest(objects: Mapping[ObjectRef, Manifest]) -> frozenset[str]:
    """Return the names of the image pull secrets of Pods that can't pull their image."""
    pods = (obj for key, obj in objects.items() if key.kind == "Pod")
    return frozenset(name for pod in pods if _unpullable(pod) for name in secrets_of(pod))


def invalid_reasons(found: Mapping[str, Manifest | None]) -> dict[str, str]:
    """Return the image pull secrets that are invalid: name → why. None is one that is missing."""
    reasons = {name: invalid_reason(secret) for name, secret in found.items()}
    return {name: reason for name, reason in reasons.items() if reason}


def invalid_reason(secret: Manifest | None) -> str | None:
    """Return why an image pull secret is invalid, as the end of a sentence; None if valid."""
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
