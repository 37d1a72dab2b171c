"""Make the preview Service follow the release in progress."""

from collections.abc import Iterator

from bookstore_operator.components.preview.manifests import preview_service
from bookstore_operator.core import history, names
from bookstore_operator.core.ensure import ensure
from bookstore_operator.core.kinds import SERVICES
from bookstore_operator.core.lookup import find
from bookstore_operator.core.plan import Action
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.stages import needs_idle_color


def ensure_preview(snapshot: Snapshot) -> Iterator[Action]:
    """Yield the changes that make it select a release from stage Start until users are sent to it.

    Before and after it selects nothing. It is created for the first release.
    """
    newest = history.newest(snapshot)
    shown = (
        newest if newest and newest.in_flight and needs_idle_color(newest.status.stage) else None
    )
    if shown or find(snapshot, SERVICES, names.preview_service(snapshot.store.name)):
        yield from ensure(snapshot, preview_service(snapshot.store, shown))
