"""Whether the cache is well. Nothing waits for it."""

from __future__ import annotations

from datetime import datetime

from bookstore_operator.components.cache.gate import cache_known, own_cache_known
from bookstore_operator.core import names
from bookstore_operator.core.contract import HEALTH_PATH
from bookstore_operator.core.finding import Finding, fails, holds, unknown
from bookstore_operator.core.gate import Answer, Passed, Waiting
from bookstore_operator.core.kinds import DEPLOYMENTS
from bookstore_operator.core.labels import Component, selector
from bookstore_operator.core.lookup import find
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.status import CACHE_HEALTHY
from bookstore_operator.workloads import pod_problems


def cache_secret_awaited(snapshot: Snapshot, visit: Visit) -> datetime | None:
    """Return when to look again for a Secret of the cache that is not as it should be."""
    answer = _cache_secret(snapshot, visit)
    return answer.until if isinstance(answer, Waiting) else None


def cache_healthy(snapshot: Snapshot, visit: Visit, _answer: Answer) -> Finding:
    """Find how the cache is. Nothing waits for it: the API goes on without."""
    cache = snapshot.store.spec.cache
    if cache is None:
        told = "spec.cache is not set: each API process counts for itself."
        return unknown(CACHE_HEALTHY, Reason.NOT_CONFIGURED, told)
    answer = _cache_secret(snapshot, visit)
    if not isinstance(answer, Passed):
        return fails(CACHE_HEALTHY, answer.reason, answer.message)
    if cache.external:
        told = (
            f"Secret {cache.external.secret_name} says where the cache is. The operator does not "
            f"look at it: each API Pod's {HEALTH_PATH} says how it is."
        )
        return unknown(CACHE_HEALTHY, Reason.CACHE_EXTERNAL, told)
    return _own_cache_healthy(snapshot)


def _own_cache_healthy(snapshot: Snapshot) -> Finding:
    name = names.cache(snapshot.store.name)
    deployment = find(snapshot, DEPLOYMENTS, name) or {}
    if deployment.get("status", {}).get("availableReplicas"):
        return holds(CACHE_HEALTHY, Reason.CACHE_READY, f"Valkey (Deployment {name}) answers.")
    problem = pod_problems.problem_of_pods(snapshot, selector(snapshot.store.name, Component.CACHE))
    problem = problem or pod_problems.creation_rejected(snapshot, DEPLOYMENTS, name)
    told = pod_problems.append_problem(
        f"Valkey (Deployment {name}) is not ready. Meanwhile each API process counts for itself.",
        problem,
    )
    if problem and problem.serious:
        return fails(CACHE_HEALTHY, problem.reason, told)
    if deployment and not _rolls_out(deployment):
        return fails(CACHE_HEALTHY, Reason.CACHE_DOWN, told)
    return unknown(CACHE_HEALTHY, Reason.CACHE_STARTING, told)


def _rolls_out(deployment: Manifest) -> bool:
    """Whether a Deployment has not been through with its newest Pods yet, nor given up."""
    found = deployment.get("status", {}).get("conditions") or ()
    told: Manifest = next((each for each in found if each["type"] == "Progressing"), {})
    return told.get("status") != "False" and told.get("reason") != "NewReplicaSetAvailable"


def _cache_secret(snapshot: Snapshot, visit: Visit) -> Answer:
    cache = snapshot.store.spec.cache
    gate = own_cache_known if cache and cache.embedded else cache_known
    return visit.ask(gate, snapshot)
