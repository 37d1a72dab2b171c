"""Which of several BookStores may have a host name.

Kubernetes accepts any number of Ingresses with the same host and path. Most controllers then use
the oldest one, and others mix them: a new BookStore could take the users of another one. So the
operator creates no Ingress for a host and path that an Ingress of another BookStore has.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.base import LATEST, parse_time


class Claim(NamedTuple):
    """A BookStore that wants a host, and its Ingress if there is one."""

    store: Manifest
    ingress: Manifest | None


def wants_host(store: Manifest) -> bool:
    """Whether a BookStore has an Ingress in its spec."""
    return _wanted(store) is not None


def host_taken_by(own: Claim, others: Iterable[Claim]) -> str:
    """Return who has the host and path of a BookStore, as part of a sentence; empty if nobody else.

    Whose Ingress was there first has it; without Ingresses, the older BookStore.
    """
    wanted = _wanted(own.store)
    rivals = [claim for claim in others if wanted and _wanted(claim.store) == wanted]
    first = min([own, *rivals], key=_order)
    if first is own:
        return ""
    metadata = first.store["metadata"]
    if metadata["namespace"] == own.store["metadata"]["namespace"]:
        return f"BookStore {metadata['name']}"
    return "a BookStore in another namespace"


def _wanted(store: Manifest) -> tuple[str, str] | None:
    ingress = (store.get("spec") or {}).get("ingress")
    return (ingress.get("host", ""), ingress.get("path", "/")) if ingress else None


def _order(claim: Claim) -> tuple[datetime, datetime, str, str]:
    metadata = claim.store["metadata"]
    has_it = claim.ingress is not None and _wanted(claim.store) in _routes(claim.ingress)
    since = _created(claim.ingress) if claim.ingress and has_it else LATEST
    return since, _created(claim.store), metadata["namespace"], metadata["name"]


def _routes(ingress: Manifest) -> list[tuple[str, str]]:
    """Return the hosts and paths of an Ingress."""
    return [
        (rule.get("host", ""), path.get("path", "/"))
        for rule in (ingress.get("spec") or {}).get("rules") or ()
        for path in (rule.get("http") or {}).get("paths") or ()
    ]


def _created(manifest: Manifest) -> datetime:
    text = manifest["metadata"].get("creationTimestamp")
    return parse_time(text) if text else LATEST
