"""Which of the operator's rights are missing, by what the API server says about its own user.

A right that is taken away shows only when it is used: a watch goes on until it ends, a deletion may
be months away. So the operator asks for all of them. Any authenticated user may (the ClusterRole
system:basic-user).
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from bookstore_operator.core.kinds import KINDS, LEASES
from bookstore_operator.kube.client import Api, ApiError

READING = frozenset({"get", "list", "watch"})
_NAMED = 5


class Right(NamedTuple):
    """A verb on a resource or a subresource of an API group."""

    group: str
    resource: str
    """As in RBAC: `deployments`, or `deployments/scale`."""
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{f'.{self.group}' if self.group else ''}"


def needed_rights() -> frozenset[Right]:
    """Return all rights in the table of kinds; the Lease is in a namespace of its own."""
    whole = (
        Right(kind.group, kind.plural, verb)
        for kind in KINDS
        for verb in kind.verbs
        if kind is not LEASES
    )
    parts = (
        Right(kind.group, f"{kind.plural}/{part}", verb)
        for kind in KINDS
        for part, verbs in kind.subresources
        for verb in verbs
    )
    return frozenset({*whole, *parts} - _NOT_MISSED)


_NOT_MISSED = frozenset(
    Right(kind.group, f"{kind.plural}/finalizers", verb)
    for kind in KINDS
    for part, verbs in kind.subresources
    for verb in verbs
    if part == "finalizers"
)
"""Needed only where OwnerReferencesPermissionEnforcement is on, which then says so."""


def not_granted(
    rules: Iterable[Mapping[str, Any]], needed: frozenset[Right] | None = None
) -> list[Right]:
    """Return the needed rights that no rule of a SelfSubjectRulesReview grants, in order."""
    granted = [rule for rule in rules if not rule.get("resourceNames")]
    wanted = needed_rights() if needed is None else needed
    return sorted(right for right in wanted if not any(_grants(rule, right) for rule in granted))


def _grants(rule: Mapping[str, Any], right: Right) -> bool:
    return all(
        {"*", value} & {*(rule.get(key) or ())}
        for key, value in (
            ("apiGroups", right.group),
            ("resources", right.resource),
            ("verbs", right.verb),
        )
    )


async def find_missing(api: Api, scope: str | None, home: str) -> tuple[Right, ...]:
    """Return the rights that the operator lacks in a namespace, or in all (`scope` None).

    The list of rules may be incomplete (a webhook authorizes, for example), so each right that
    seems to be missing is asked for by itself. None is missing if the API server does not tell.
    """
    try:
        candidates = not_granted(await api.rules(scope or home))
        return tuple([right for right in candidates if not await _is_granted(api, right, scope)])
    except ApiError as error:
        if error.status in {403, 404}:
            return ()
        raise


async def _is_granted(api: Api, right: Right, scope: str | None) -> bool:
    resource, _, subresource = right.resource.partition("/")
    return await api.may(right.verb, right.group, resource, subresource, scope)


def describe(missing: Iterable[Right]) -> str:
    """Return what the operator may not do, and what to do about it, as sentences."""
    texts = [str(right) for right in missing]
    more = f" and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return (
        f"The operator may not {', '.join(texts[:_NAMED])}{more}. Give it these rights again "
        "(manifests/base/rbac.yaml)."
    )
