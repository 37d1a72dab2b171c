"""Whether the database is ready, or the Secret of an external one is valid."""

from datetime import datetime

from bookstore_operator.components.database.identity import is_whole
from bookstore_operator.components.database.secrets import (
    keys_of,
    password_lost,
    volume_being_deleted,
)
from bookstore_operator.components.database.servers import Server, current_database, server_of
from bookstore_operator.core.gate import Answer, Passed, Waiting
from bookstore_operator.core.kinds import CLAIMS, STATEFUL_SETS
from bookstore_operator.core.lookup import find, owned_by
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.secrets import SECRET_POLL, SecretWords, check_secret
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.restore import BookStoreRestore, RestorePhase
from bookstore_operator.crd.spec.database import Database
from bookstore_operator.workloads import pod_problems

DATABASE = SecretWords(
    Reason.DATABASE_SECRET_MISSING,
    Reason.DATABASE_SECRET_INCOMPLETE,
    Reason.DATABASE_SECRET_MALFORMED,
    "a PostgreSQL URI (postgresql://…)",
    "postgresql://user:password@host:5432/database",
)


def database_ready(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass if the current embedded server is ready, or the external database's Secret is valid."""
    database = current_database(snapshot)
    server = server_of(snapshot.store.name, database)
    if server and server.restore and (waiting := _not_restored(snapshot, server)):
        return waiting
    return server_ready(snapshot, server, now) if server else _external(snapshot, database, now)


def _external(snapshot: Snapshot, database: Database, now: datetime) -> Answer:
    (secret, keys), *_ = keys_of(snapshot.store.name, database).items()
    return check_secret(snapshot, secret, [*keys], DATABASE, now, ours=False)


def _not_restored(snapshot: Snapshot, server: Server) -> Waiting | None:
    """Return what to wait for if a BookStoreRestore's server can't be used; None if it can."""
    observed = find(snapshot, STATEFUL_SETS, server.name)
    if observed and owned_by(observed, snapshot.store.metadata.uid):
        return None
    name = server.restore
    restore = next((r for r in snapshot.restores if r.name == name), None)
    field = "spec.database.embedded.restoredFrom"
    if restore is None:
        if observed or find(snapshot, CLAIMS, server.claim):
            return None
        text = f"There is no BookStoreRestore {name}, which {field} names, and no server of it."
        advice = "Create it, or correct the field."
        return Waiting(Reason.RESTORE_MISSING, f"{text} {advice}", stalled=True)
    return _unfinished(snapshot, restore, field)


def _unfinished(snapshot: Snapshot, restore: BookStoreRestore, field: str) -> Waiting | None:
    """Return why a BookStoreRestore has no server that can be used; None if it has one."""
    text, status = f"BookStoreRestore {restore.name}, which {field} names,", restore.status
    if restore.spec.into.external:
        secret = restore.spec.into.external.secret_name
        why = f"has restored into the database of Secret {secret}. Correct the field."
        return Waiting(Reason.RESTORE_MISSING, f"{text} {why}", stalled=True)
    if is_whole(snapshot, restore):
        return None
    if status.phase is RestorePhase.COMPLETE:
        why = "has lost its volume, and the data on it. Create another one, and name that."
        return Waiting(Reason.RESTORE_MISSING, f"{text} {why}", stalled=True)
    if status.phase is RestorePhase.FAILED:
        return Waiting(Reason.RESTORE_FAILED, f"{text} has failed: {status.message}", stalled=True)
    return Waiting(Reason.RESTORING, f"Waiting for {text} {status.message}".strip(", "))


def server_ready(snapshot: Snapshot, server: Server, now: datetime) -> Answer:
    """Pass if an embedded server is ready."""
    again = now + SECRET_POLL
    name = server.name
    if password_lost(snapshot, server):
        return _password_lost(snapshot, server, again)
    if missing := _embedded_keys_missing(snapshot, name):
        keys = " and ".join(f"`{key}`" for key in missing)
        return Waiting(
            Reason.DATABASE_SECRET_INCOMPLETE,
            f"Secret {name} has lost its key {keys}. Restore it: the data on volume "
            f"{server.claim} needs it.",
            until=again,
        )
    observed = find(snapshot, STATEFUL_SETS, name)
    if observed and observed.get("status", {}).get("readyReplicas", 0) >= 1:
        return Passed()
    pods = server.selector
    problem = pod_problems.problem_of_pods(snapshot, pods, STATEFUL_SETS.ref(name), now)
    message = (
        f"Waiting for PostgreSQL (StatefulSet {name}) to be ready. See kubectl describe pods "
        f"{name}-0."
    )
    until = pod_problems.end_deadline(snapshot, pods, now)
    return pod_problems.wait_for_pods(Reason.DATABASE_STARTING, message, problem, until)


def _password_lost(snapshot: Snapshot, server: Server, again: datetime) -> Waiting:
    name, claim = server.name, server.claim
    if volume_being_deleted(snapshot, server):
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
