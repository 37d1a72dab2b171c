"""Which images Pods run, by the IDs that the kubelet reports.

A tag can be pushed again: then Pods of one template run different images, and nothing but their IDs
says so.
"""

from bookstore_operator.core.plan import Manifest
from bookstore_operator.workloads.jobs import is_main


def main_image_id(pod: Manifest) -> str:
    """Return the image ID of a Pod's main container; empty while it has none."""
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        if is_main(pod, container):
            return str(container.get("imageID") or "")
    return ""


def content_of(image_id: str) -> str:
    """Return the digest in an image ID, which may have the name of any repository before it."""
    return image_id.rpartition("@")[2]


def is_pinned(image: str) -> bool:
    """Whether the name of an image has a digest, so that it is always the same image."""
    return "@" in image
