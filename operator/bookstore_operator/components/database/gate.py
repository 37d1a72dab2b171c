"""Whether the database is ready, or the Secret of an external one is valid."""

from __future__ import annotations

from datetime import datetime

from bookstore_operator.components.database.secrets import password_lost
from bookstore_operator.core import names
from bookstore_operator.core.gate import Answer, Passed, Waiting
from bookstore_operator.core.kinds import STATEFUL_SETS
from bookstore_operator.core.labels import Component, selector
from bookstore_operator.core.lookup import find
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.secrets import SECRET_POLL, invalid_keys, missing_keys
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.crd.spec.database import ExternalDatabase
from bookstore_operator.workloads import pod_problems


def database_ready(snapshot: Snapshot, now: datetime) -> Answer:
    """Pass if the embedded server is ready, or the external database's Secret is valid."""
    external = snapshot.store.spec.database.external
    if external:
        return _external_known(snapshot, external, now + SECRET_POLL)
    return _embedded_ready(snapshot, now + SECRET_POLL)


def _external_known(snapshot: Snapshot, external: ExternalDatabase, again: datetime) -> Answer:
    name = external.secret_name
    used = [key for key in (external.key, external.direct_key) if key]
    missing = missing_keys(snapshot, name, used)
    if not missing:
        return _external_well_formed(snapshot, name, used, again)
    keys = " and ".join(f"`{key}`" for key in missing)
    if name in snapshot.secrets:
        return Waiting(
            Reason.DATABASE_SECRET_INCOMPLETE,
            f"Secret {name} has no key {keys}. Add it: a PostgreSQL URI (postgresql://…).",
            until=again,
        )
    return Waiting(
        Reason.DATABASE_SECRET_MISSING,
        f"There is no Secret {name}. Create it, with a PostgreSQL URI (postgresql://…) "
        f"under the key {keys}.",
        until=again,
    )


def _external_well_formed(
    snapshot: Snapshot, name: str, used: list[str], again: datetime
) -> Answer:
    invalid = invalid_keys(snapshot, name, used)
    if not invalid:
        return Passed()
    return Waiting(
        Reason.DATABASE_SECRET_MALFORMED,
        f"In Secret {name}, {' and '.join(invalid)}. "
        "Correct it: postgresql://user:password@host:5432/database.",
        until=again,
    )


def _embedded_ready(snapshot: Snapshot, again: datetime) -> Answer:
    store = snapshot.store.name
    name = names.database(store)
    if password_lost(snapshot):
        return Waiting(
            Reason.DATABASE_SECRET_LOST,
            f"Secret {name} is gone, but the data on volume {names.database_claim(store)} still "
            "needs its password, and a new password would not work. Restore the Secret, or delete "
            "the volume claim to start with an empty database.",
            until=again,
            stalled=True,
        )
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
    problem = pod_problems.problem_of_pods(snapshot, selector(store, Component.DATABASE))
    problem = problem or pod_problems.creation_rejected(snapshot, STATEFUL_SETS, name)
    message = f"Waiting for PostgreSQL (StatefulSet {name}) to be ready."
    return Waiting(
        pod_problems.reason_or(Reason.DATABASE_STARTING, problem),
        pod_problems.append_problem(message, problem),
    )


def _embedded_keys_missing(snapshot: Snapshot, name: str) -> list[str]:
    keys = snapshot.secrets.get(name)
    return [] if keys is None else [key for key in ("password", "uri") if key not in keys]
