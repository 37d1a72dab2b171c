"""Recognize admission webhooks that do not answer, and those that may have changed an object."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bookstore_operator.core.kinds import MUTATING_WEBHOOKS, Resource
from bookstore_operator.core.plan import Manifest

_FAILED = re.compile(r'failed calling webhook "([^"]+)"')
ADVICE = "Repair what serves the webhook, or delete its configuration."
_WRITES = frozenset({"*", "CREATE", "UPDATE"})
_NAMESPACE_NAME = "kubernetes.io/metadata.name"


def failed_webhook(text: str) -> str | None:
    """Return the name of the webhook that failed; None if the text is about something else.

    A webhook that answers and denies is something else: "admission webhook … denied the request".
    """
    match = _FAILED.search(text)
    return match[1] if match else None


def mutators_of(
    configurations: Iterable[Manifest], resource: Resource, namespace: str, manifest: Manifest
) -> tuple[str, ...]:
    """Return the mutating webhooks that may have changed an object, with their configurations.

    A selector of labels of the namespace, which the operator can't read, and conditions in CEL
    count as matched.
    """
    return tuple(
        f"{MUTATING_WEBHOOKS.kind} {configuration['metadata']['name']} ({webhook.get('name')})"
        for configuration in sorted(configurations, key=lambda item: str(item["metadata"]["name"]))
        for webhook in configuration.get("webhooks") or ()
        if _may_match(webhook, resource, namespace, manifest["metadata"].get("labels") or {})
    )


def _may_match(
    webhook: Mapping[str, Any], resource: Resource, namespace: str, labels: Mapping[str, str]
) -> bool:
    names = {_NAMESPACE_NAME: namespace}
    return (
        any(_is_for(rule, resource) for rule in webhook.get("rules") or ())
        and all(_selects(webhook.get("objectSelector"), labels))
        and all(_selects(webhook.get("namespaceSelector"), names, known=names.keys()))
    )


def _is_for(rule: Mapping[str, Any], resource: Resource) -> bool:
    return (
        bool({"*", resource.group} & {*(rule.get("apiGroups") or ())})
        and bool({"*", "*/*", resource.plural} & {*(rule.get("resources") or ())})
        and bool(_WRITES & {*(rule.get("operations") or ())})
        and rule.get("scope", "*") in {"*", "Namespaced"}
    )


def _selects(
    selector: Mapping[str, Any] | None,
    labels: Mapping[str, str],
    known: Iterable[str] | None = None,
) -> Iterator[bool]:
    """Yield whether each requirement of a label selector is met, of those about known labels."""
    selector, known = selector or {}, None if known is None else {*known}
    equal = [
        {"key": key, "operator": "In", "values": [value]}
        for key, value in (selector.get("matchLabels") or {}).items()
    ]
    for requirement in (*equal, *(selector.get("matchExpressions") or ())):
        key = str(requirement.get("key"))
        if known is None or key in known:
            yield _meets(labels.get(key), requirement)


def _meets(value: str | None, requirement: Mapping[str, Any]) -> bool:
    values = requirement.get("values") or ()
    match requirement.get("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case _:
            return True
