"""Which images Pods run, by the IDs that the kubelet reports.

A tag can be pushed again: then Pods of one template run different images, and nothing but their IDs
says so.
"""

import re
from collections.abc import Iterable

from bookstore_operator.core.plan import Manifest
from bookstore_operator.workloads.jobs import is_main

_IMPORTED = re.compile(r"(^|/)import-\d{4}-\d{2}-\d{2}$")


def main_image_id(pod: Manifest) -> str:
    """Return the image ID of a Pod's main container; empty while it has none."""
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        if is_main(pod, container):
            return str(container.get("imageID") or "")
    return ""


def content_of(image_id: str) -> tuple[str, str] | None:
    """Return what an image ID identifies, `manifest` or `config`, and its digest; None: nothing.

    The ID of an image that was pulled is NAME@DIGEST, of its manifest, whatever the repository's
    name. That of an image that was loaded onto the node is the bare digest of its configuration, or
    has a name that containerd gives to the archives of a day, with the digest of the last one.
    """
    name, separator, digest = image_id.rpartition("@")
    if _IMPORTED.search(name):
        return None
    return ("manifest" if separator else "config", digest) if digest else None


def differing(image_ids: Iterable[str]) -> frozenset[str]:
    """Return the digests of images that are certainly not one; empty if they may be one.

    A manifest and a configuration can't be compared.
    """
    digests: dict[str, set[str]] = {}
    for kind, digest in filter(None, map(content_of, image_ids)):
        digests.setdefault(kind, set()).add(digest)
    return frozenset(d for group in digests.values() if len(group) > 1 for d in group)


def is_pinned(image: str) -> bool:
    """Whether the name of an image has a digest, so that it is always the same image."""
    return "@" in image
