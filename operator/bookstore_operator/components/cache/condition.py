"""Whether the cache is healthy. No release waits for it."""

from datetime import datetime

from bookstore_operator.components.cache.gate import cache_secret_valid, own_cache_secret_valid
from bookstore_operator.core import names
from bookstore_operator.core.contract import HEALTH_PATH
from bookstore_operator.core.finding import Finding, fails, holds, unknown
from bookstore_operator.core.gate import Answer, Passed, Waiting
from bookstore_operator.core.kinds import DEPLOYMENTS
from bookstore_operator.core.labels import Component, selector
from bookstore_operator.core.lookup import find, find_condition
from bookstore_operator.core.plan import Manifest
from bookstore_operator.core.reasons import Reason
from bookstore_operator.core.snapshot import Snapshot
from bookstore_operator.core.visit import Visit
from bookstore_operator.crd.status import CACHE_HEALTHY
from bookstore_operator.workloads import pod_problems


def cache_secret_recheck(snapshot: Snapshot, visit: Visit) -> datetime | None:
    """Return when to read a missing or invalid Secret of the cache again; None if it is valid."""
    answer = _cache_secret(snapshot, visit)
    return answer.until if isinstance(answer, Waiting) else None


def cache_healthy(snapshot: Snapshot, visit: Visit, _answer: Answer) -> Finding:
    """Return the CacheHealthy condition. No release waits for it: the API works without a cache."""
    cache = snapshot.store.spec.cache
    if cache is None:
        message = "spec.cache is not set: each API process counts requests separately."
        return unknown(CACHE_HEALTHY, Reason.NOT_CONFIGURED, message)
    answer = _cache_secret(snapshot, visit)
    if not isinstance(answer, Passed):
        return fails(CACHE_HEALTHY, answer.reason, answer.message)
    if cache.external:
        message = (
            f"The cache is external (Secret {cache.external.secret_name}). The operator does not "
            f"monitor it: see {HEALTH_PATH} of an API Pod."
        )
        return unknown(CACHE_HEALTHY, Reason.CACHE_EXTERNAL, message)
    return _own_cache_healthy(snapshot, visit.now)


def _own_cache_healthy(snapshot: Snapshot, now: datetime) -> Finding:
    name = names.cache(snapshot.store.name)
    deployment = find(snapshot, DEPLOYMENTS, name) or {}
    if deployment.get("status", {}).get("availableReplicas"):
        return holds(CACHE_HEALTHY, Reason.CACHE_READY, f"Valkey (Deployment {name}) is available.")
    pods = selector(snapshot.store.name, Component.CACHE)
    problem = pod_problems.problem_of_pods(snapshot, pods, DEPLOYMENTS.ref(name), now)
    message = pod_problems.append_problem(
        f"Valkey (Deployment {name}) is not ready. Until it is, each API process counts requests "
        "separately.",
        problem,
    )
    if problem and problem.serious:
        return fails(CACHE_HEALTHY, problem.reason, message)
    if deployment and not _is_rolling_out(deployment):
        return fails(CACHE_HEALTHY, Reason.CACHE_DOWN, message)
    return unknown(CACHE_HEALTHY, Reason.CACHE_STARTING, message)


def _is_rolling_out(deployment: Manifest) -> bool:
    """Whether a Deployment's newest ReplicaSet is neither available nor past its deadline."""
    progressing = find_condition(deployment, "Progressing")
    return (
        progressing.get("status") != "False"
        and progressing.get("reason") != "NewReplicaSetAvailable"
    )


def _cache_secret(snapshot: Snapshot, visit: Visit) -> Answer:
    cache = snapshot.store.spec.cache
    gate = own_cache_secret_valid if cache and cache.embedded else cache_secret_valid
    return visit.ask(gate, snapshot)
