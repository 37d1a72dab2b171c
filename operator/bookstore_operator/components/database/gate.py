"""Whether the database is ready, or the Secret of an external one is valid."""

from datetime import datetime

from bookstore_operator.components.database.secrets import password_lost, volume_being_deleted
from bookstore_operator.core import names
from bookstore_operator.core.gate import Answer, Passed, Waiting
from bookstore_operator.core.kinds import STATEFUL_SETS
from bookstore_operator.core.labels import Component, selector
from bookstore_operator.core.lookup import find
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.secrets import SECRET_POLL, SecretWords, check_secret
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.workloads import pod_problems

DATABASE = SecretWords(
    Reason.DATABASE_SECRET_MISSING,
    Reason.DATABASE_SECRET_INCOMPLETE,
    Reason.DATABASE_SECRET_MALFORMED,
    "a PostgreSQL URI (postgresql://…)",
    "postgresql://user:password@host:5432/database",
)


def database_ready(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass if the embedded server is ready, or the external database's Secret is valid."""
    external = snapshot.store.spec.database.external
    if external is None:
        return _embedded_ready(snapshot, now)
    keys = [key for key in (external.key, external.direct_key) if key]
    return check_secret(snapshot, external.secret_name, keys, DATABASE, now, ours=False)


def _embedded_ready(snapshot: Snapshot, now: datetime) -> Answer:
    again = now + SECRET_POLL
    store = snapshot.store.name
    name = names.database(store)
    if password_lost(snapshot):
        return _password_lost(snapshot, again)
    if missing := _embedded_keys_missing(snapshot, name):
        keys = " and ".join(f"`{key}`" for key in missing)
        return Waiting(
            Reason.DATABASE_SECRET_INCOMPLETE,
            f"Secret {name} has lost its key {keys}. Restore it: the data on volume "
            f"{names.database_claim(store)} needs it.",
            until=again,
        )
    server = find(snapshot, STATEFUL_SETS, name)
    if server and server.get("status", {}).get("readyReplicas", 0) >= 1:
        return Passed()
    pods = selector(store, Component.DATABASE)
    problem = pod_problems.problem_of_pods(snapshot, pods, STATEFUL_SETS.ref(name), now)
    message = (
        f"Waiting for PostgreSQL (StatefulSet {name}) to be ready. See kubectl describe pods "
        f"{name}-0."
    )
    until = pod_problems.end_deadline(snapshot, pods, now)
    return pod_problems.wait_for_pods(Reason.DATABASE_STARTING, message, problem, until)


def _password_lost(snapshot: Snapshot, again: datetime) -> Waiting:
    name, claim = names.database(snapshot.store.name), names.database_claim(snapshot.store.name)
    if volume_being_deleted(snapshot):
        message = (
            f"Waiting for PersistentVolumeClaim {claim} to be deleted, which waits for Pod "
            f"{name}-0 to end. Then the operator creates an empty database with a new password."
        )
        return Waiting(Reason.DATABASE_SECRET_LOST, message, until=again)
    return Waiting(
        Reason.DATABASE_SECRET_LOST,
        f"Secret {name} is gone, but the data on volume {claim} still needs its password, and a "
        "new password would not work. Restore the Secret, or, to start with an empty database, "
        f"delete the volume claim: kubectl delete pvc {claim} --wait=false.",
        until=again,
        stalled=True,
    )


def _embedded_keys_missing(snapshot: Snapshot, name: str) -> list[str]:
    keys = snapshot.secrets.get(name)
    return [] if keys is None else [key for key in ("password", "uri") if key not in keys]
