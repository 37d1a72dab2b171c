"""The backups: a volume for the dumps and a schedule."""

from collections.abc import Iterator

from bookstore_operator.components.backup.manifests import backup_claim, backup_cron_job
from bookstore_operator.core import names
from bookstore_operator.core.ensure import ensure, ensure_absent
from bookstore_operator.core.kinds import CLAIMS, CRON_JOBS
from bookstore_operator.core.lookup import find
from bookstore_operator.core.plan import Action, Manifest
from bookstore_operator.core.snapshot import Snapshot


def ensure_backups(snapshot: Snapshot) -> Iterator[Action]:
    """Yield the changes of the backup objects. The dumps are kept when spec.backup is removed."""
    store = snapshot.store
    backup = store.spec.backup
    if backup is None:
        old = find(snapshot, CRON_JOBS, names.backup(store.name))
        yield from ensure_absent(old, "spec.backup was removed.")
        return
    yield from ensure(snapshot, _with_existing_spec(snapshot, backup_claim(store, backup)))
    image = snapshot.settings.postgres_image
    yield from ensure(snapshot, backup_cron_job(store, backup, image))


def _with_existing_spec(snapshot: Snapshot, claim: Manifest) -> Manifest:
    """Return a claim with the spec of the existing one, which is immutable."""
    existing = find(snapshot, CLAIMS, claim["metadata"]["name"])
    if existing is None:
        return claim
    return {**claim, "spec": {key: existing["spec"].get(key) for key in claim["spec"]}}
