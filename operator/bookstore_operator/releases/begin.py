"""Begin a release: its record is created, and its stages begin once the record is observed."""

from bookstore_operator.core import history
from bookstore_operator.core.gate import Waiting
from bookstore_operator.core.plan import Create
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.intent import intent_of
from bookstore_operator.releases.manifests import release as new_release
from bookstore_operator.releases.progress import Progress


def begin(snapshot: Snapshot, revision: int, attempt: int = 1) -> Progress:
    """Begin a release of what the spec asks for on the idle color."""
    store = snapshot.store
    manifest = new_release(
        store, revision, attempt, history.idle_color(snapshot), intent_of(store.spec)
    )
    name = manifest["metadata"]["name"]
    message = f"Starting release {name} of {store.spec.image} on {manifest['spec']['color']}."
    return Progress(
        snapshot, Waiting(Reason.RELEASING, message), (Create(manifest, "Release", message),)
    )
