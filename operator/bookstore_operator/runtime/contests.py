"""Write rarely to objects that others change again and again, and find out who they are."""

import logging
from collections.abc import Callable, Hashable
from datetime import UTC, datetime, timedelta

from bookstore_operator.core.drift import find_difference
from bookstore_operator.core.kinds import BOOKSTORES, resource_of, target_of
from bookstore_operator.core.labels import APPLIED_ANNOTATION
from bookstore_operator.core.managers import managers_of
from bookstore_operator.core.plan import (
    FIELD_MANAGER,
    Action,
    Apply,
    ChangeKeySet,
    CreateSecret,
    Manifest,
    ObjectRef,
    Scale,
    WriteStatus,
)
from bookstore_operator.core.snapshot import Contest
from bookstore_operator.kube.client import Api, ApiError
from bookstore_operator.kube.object_cache import StoreKey
from bookstore_operator.runtime.budget import CREATIONS, UPDATES, WriteBudget
from bookstore_operator.runtime.pacing import record_of

logger = logging.getLogger(__name__)

_PRUNE_EVERY = timedelta(minutes=1)
"""Pruning looks at the writes to all objects, so it must not be part of each visit."""


class Contests:
    """The budget of writes for each object, and what is known of who else writes to it."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._budget = WriteBudget()
        self._found: dict[StoreKey, dict[ObjectRef, Contest]] = {}
        self._pruned = now()

    def allow(self, action: Action, key: StoreKey, cached: Manifest | None = None) -> bool:
        """Whether an action may be executed now, on an object that is `cached` as it was."""
        content = _content(action, cached)
        if content is None:
            return True
        now = self._now()
        return self._budget.not_before(_account(action, key), content, now) <= now

    def count(self, action: Action, key: StoreKey, cached: Manifest | None = None) -> None:
        """Count an action that has changed an object; `cached` is how it was, None: absent."""
        content = _content(action, cached)
        if content is not None:
            limits = UPDATES if cached else CREATIONS
            self._budget.spend(_account(action, key), content, self._now(), limits)

    async def explain(
        self, action: Action, key: StoreKey, api: Api, cached: Manifest | None = None
    ) -> None:
        """Find out who else changes the object of an action that is not allowed now."""
        target = target_of(action)
        found = self._found.setdefault(key, {})
        account = _account(action, key)
        wait_until = self._budget.not_before(account, _content(action, cached), self._now())
        if target in found and found[target].until == wait_until:
            return
        message = await _explanation(action, key, api)
        if target not in found:
            logger.warning(message, extra={"store": str(key), "object": _path(target)})
        found[target] = Contest(target, message, wait_until, account)

    def of(self, key: StoreKey) -> tuple[Contest, ...]:
        """Return the contests about objects of a BookStore that are not over."""
        now = self._now()
        if not now - self._pruned < _PRUNE_EVERY:
            self._budget.prune(now)
            self._pruned = now
        found = self._found.get(key, {})
        for target, contest in list(found.items()):
            if not self._budget.is_contested(contest.account, now):
                del found[target]
        if not found:
            self._found.pop(key, None)
        reported = (found[target] for target in sorted(found, key=_text))
        return tuple(item for item in reported if item.target.kind != BOOKSTORES.kind)

    def next_look(self, key: StoreKey) -> datetime | None:
        """Return when a contest about a BookStore's objects may be over; None if there is none."""
        now = self._now()
        times = []
        for contest in self._found.get(key, {}).values():
            calm_at = self._budget.calm_at(contest.account)
            times += [time for time in (contest.until, calm_at) if time and time > now]
        return min(times, default=None)


def _account(action: Action, key: StoreKey) -> Hashable:
    """Return the account of an object: its replica count is written apart from the rest."""
    return key, target_of(action), isinstance(action, Scale)


def _content(action: Action, cached: Manifest | None) -> Hashable:
    """Return what an action sets its object to; None for an action without a budget.

    A release's record must be written whatever it costs, because the operator acts on it; but for
    the message of what it waits for, which is for people.
    """
    match action:
        case Apply(manifest=manifest):
            annotations = manifest["metadata"].get("annotations") or {}
            return annotations.get(APPLIED_ANNOTATION) or repr(manifest)
        case Scale(replicas=replicas):
            return replicas
        case CreateSecret() | ChangeKeySet(reason="Record"):
            return "written"
        case WriteStatus(key=target, status=status) if target.kind == BOOKSTORES.kind:
            return repr(status)
        case WriteStatus(status=status) if cached and record_of(status) == record_of(
            cached.get("status") or {}
        ):
            return str(status.get("message"))
        case _:
            return None


async def _explanation(action: Action, key: StoreKey, api: Api) -> str:
    """Return who changes an object, and what, from a live read: the cache has no managers."""
    target = target_of(action)
    resource = resource_of(target.api_version, target.kind)
    try:
        live = await api.find(resource, key.namespace, target.name)
    except ApiError:
        return f"{_text(target)} is changed again and again by another client."
    if live is None or isinstance(action, CreateSecret):
        return (
            f"{_text(target)} is deleted again and again by another client: see the audit log of "
            "the API server."
        )
    desired = _desired(action)
    difference = find_difference(desired, live)
    path = difference.path if difference else ()
    managers = managers_of(live, path) if path else []
    others = [name for name in managers if name.partition("/")[0] != FIELD_MANAGER]
    what = f": {difference.text}" if difference else ""
    return f"{_text(target)} is changed again and again by {_who(others, managers)}{what}."


def _who(others: list[str], managers: list[str]) -> str:
    if others:
        return f"field manager {', '.join(others[:3])}"
    if managers:
        return (
            f"another operator with the field manager {FIELD_MANAGER}, which is this operator's "
            "too, but with other options or of another version"
        )
    return "another client"


def _desired(action: Action) -> Manifest:
    """Return what an action sets, without the hash, which differs with everything else."""
    match action:
        case Apply(manifest=manifest):
            metadata = dict(manifest["metadata"])
            annotations = dict(metadata.get("annotations") or {})
            annotations.pop(APPLIED_ANNOTATION, None)
            return {**manifest, "metadata": {**metadata, "annotations": annotations}}
        case Scale(replicas=replicas):
            return {"spec": {"replicas": replicas}}
        case WriteStatus(status=status):
            return {"status": status}
        case _:
            return {}


def _path(target: ObjectRef) -> str:
    return f"{target.kind}/{target.name}"


def _text(target: ObjectRef) -> str:
    return f"{target.kind} {target.name}"
