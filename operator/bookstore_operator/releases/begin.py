"""Begin a release: its record is created, and its stages begin once the record is observed."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from bookstore_operator.core import history, names
from bookstore_operator.core.gate import Failed, Waiting
from bookstore_operator.core.plan import Create
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.intent import compared, intent_of, normalized
from bookstore_operator.crd.release import BookStoreRelease
from bookstore_operator.releases import rollback
from bookstore_operator.releases.manifests import release as new_release
from bookstore_operator.releases.progress import Progress


def begin(
    snapshot: Snapshot,
    revision: int,
    attempt: int = 1,
    *,
    of: BookStoreRelease | None = None,
    overrides: str = "",
) -> Progress:
    """Begin a release on the idle color, of what the spec asks for or of an older release's intent.

    Args:
        snapshot: what is observed.
        revision: number of the intent.
        attempt: number of the attempt to release it.
        of: the older release whose intent is deployed instead of the spec's.
        overrides: the name of the release that the spec asks for, if that is another one.

    """
    store = snapshot.store
    former = of or _same_intent(snapshot, revision)
    if former and (why := rollback.refusal(snapshot, former)):
        return Progress(snapshot, Failed(Reason.ROLLBACK_REFUSED, why))
    color = history.idle_color(snapshot)
    intent = of.spec.intent if of else intent_of(store.spec)
    manifest = new_release(store, revision, attempt, color, intent)
    links = {"rollbackOf": former.name if former else "", "overrides": overrides}
    manifest = {**manifest, "spec": {**manifest["spec"], **{k: v for k, v in links.items() if v}}}
    name, image = manifest["metadata"]["name"], intent.get("image", "")
    again = f", as {of.name}" if of else ""
    message = f"Starting release {name} of {image} on {color.value}{again}."
    return Progress(
        snapshot, Waiting(Reason.RELEASING, message), (Create(manifest, "Release", message),)
    )


def name_of_next(snapshot: Snapshot, revision: int) -> str:
    """Return the name of the first attempt to release a revision."""
    return names.release(snapshot.store.name, revision, 1)


def _same_intent(snapshot: Snapshot, revision: int) -> BookStoreRelease | None:
    """Return the last release of another revision that has served what the spec asks for."""
    current = compared(snapshot.store.spec)
    served = (
        release
        for release in reversed(snapshot.releases)
        if release.status.promoted_at and release.spec.revision != revision
    )
    return next((release for release in served if _is(release.spec.intent, current)), None)


def _is(intent: Mapping[str, Any], current: Mapping[str, Any]) -> bool:
    try:
        return normalized(intent) == current
    except ValidationError:
        return False
