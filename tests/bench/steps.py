"""What is done to a fleet of objects, step by step, and how a step is known to be done."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.bench import argo
from tests.bench.client import Object
from tests.cluster.conftest import QUICK, bookstore, image

REPLICAS = 2
WINDOW_SECONDS = 10
DATABASE = {"external": {"secretName": "database", "key": "uri"}}
PATIENT = {**QUICK, "progressDeadlineSeconds": 1800}
"""A thousand releases at once wait for each other in the controller manager."""
WATCHED = {
    "watch": {"seconds": WINDOW_SECONDS},
    "scaleDownDelaySeconds": WINDOW_SECONDS,
    "rollbackWindowSeconds": WINDOW_SECONDS,
}
CREATE, NO_JOB, ALL_STAGES = "created", "released, no Job", "released, all stages"


@dataclass(frozen=True)
class Step:
    """Something that is asked of all objects at once."""

    name: str
    done: Callable[[Object], bool]
    """Whether an object of the watched collection says that it is done for its owner."""
    patch: Object = field(default_factory=dict)
    """A merge patch; empty: the objects are created."""


@dataclass(frozen=True)
class Fleet:
    """Objects that are created and then released: where they are, and how they are made."""

    collection: str
    watched: str
    """The collection by which it is known when a step is done."""
    create: Callable[[str], Object]
    steps: tuple[Step, ...]


def stores(namespace: str) -> Fleet:
    """Return BookStores: with an external database, as production has."""
    root = f"/apis/bookstore.dev/v1alpha1/namespaces/{namespace}"
    more = {"requests": {"cpu": "150m", "memory": "128Mi"}}
    return Fleet(
        f"{root}/bookstores",
        f"{root}/bookstorereleases",
        lambda name: bookstore(name, replicas=REPLICAS, database=DATABASE, rollout=PATIENT),
        (
            Step(CREATE, lambda release: has_succeeded(release, 1)),
            Step(NO_JOB, lambda release: has_succeeded(release, 2), {"spec": {"resources": more}}),
            Step(
                ALL_STAGES,
                lambda release: has_succeeded(release, 3),
                {"spec": {"image": image("2"), "rollout": WATCHED}},
            ),
        ),
    )


def rollouts(namespace: str) -> Fleet:
    """Return the peer's objects."""
    collection = f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/rollouts"
    return Fleet(
        collection,
        collection,
        lambda name: argo.rollout(name, image("1"), REPLICAS),
        (
            Step(CREATE, lambda rollout: argo.is_healthy(rollout, image("1"))),
            Step(
                NO_JOB,
                lambda rollout: argo.is_healthy(rollout, image("2")),
                argo.release(image("2")),
            ),
        ),
    )


def has_succeeded(release: Object, revision: int) -> bool:
    """Whether a BookStoreRelease is of this revision, and has come to its end.

    Raises:
        RuntimeError: it has failed.

    """
    if release["spec"]["revision"] != revision:
        return False
    status = release.get("status") or {}
    result = status.get("result")
    if result not in {None, "Promoted", "Succeeded"}:
        raise RuntimeError(f"{release['metadata']['name']}: {result}: {status.get('message')}")
    return bool(result == "Succeeded")
