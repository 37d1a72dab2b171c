"""Take the Snapshot of a BookStore as the operator does, with the rights of the user."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from bookstore_operator.components import secrets_of_interest
from bookstore_operator.core.kinds import (
    BOOKSTORES,
    CORE_EVENTS,
    DEPLOYMENTS,
    OBSERVED,
    RECORDS,
    RELEASES,
    SECRETS,
    Resource,
    key_of,
    store_name_of,
)
from bookstore_operator.core.labels import NAME_LABEL, STORE_LABEL
from bookstore_operator.core.lookup import find_condition
from bookstore_operator.core.plan import Manifest, ObjectRef
from bookstore_operator.core.secrets import Secrets, UsedKeys, describe_secrets
from bookstore_operator.core.snapshot import OperatorSettings, invalid_fields, take_snapshot
from bookstore_operator.core.warning_events import newest_message, warning_selector
from bookstore_operator.crd.bookstore import BookStore
from bookstore_operator.crd.status import READY
from bookstore_operator.workloads import pull_secrets
from bookstore_operator.workloads.unexplained import find_unexplained
from kubectl_bookstore.cluster.kubectl import Kubectl, KubectlError, items_in
from kubectl_bookstore.errors import ExitCode, PluginError
from kubectl_bookstore.views.observation import Observation

OPERATOR_NAME = "bookstore-operator"
_DEFAULTS = OperatorSettings()


def find_store(kubectl: Kubectl, name: str | None) -> Manifest:
    """Return a BookStore; without a name, the only one of the namespace."""
    if name is not None:
        name = name.rpartition("/")[2]  # as in `bookstore/demo`
        store = kubectl.find(BOOKSTORES, name)
        if store is None:
            message = (
                f"There is no BookStore {name} in namespace {kubectl.namespace()}. "
                "See kubectl bookstore status --all-namespaces."
            )
            raise PluginError(message, ExitCode.NOT_FOUND)
        return store
    stores = kubectl.list_all([BOOKSTORES])
    if len(stores) == 1:
        return stores[0]
    where = f"namespace {kubectl.namespace()}"
    if not stores:
        message = (
            f"There is no BookStore in {where}. See kubectl bookstore status --all-namespaces."
        )
        raise PluginError(message, ExitCode.NOT_FOUND)
    names = ", ".join(sorted(store["metadata"]["name"] for store in stores))
    raise PluginError(f"Which one of {where}? Name one of {names}.", ExitCode.USAGE)


def observe(
    kubectl: Kubectl,
    manifest: Manifest,
    now: datetime,
    settings: OperatorSettings = _DEFAULTS,
) -> Observation:
    """Return the Observation of a BookStore.

    Raises:
        KubectlError: the cluster did not answer, or the releases may not be read.
        PluginError: an object does not match this plugin's models.

    """
    store = _store_of(manifest)
    listed, unread = list_owned(kubectl, store.name)
    objects = {key_of(obj): obj for obj in listed if store_name_of(obj) == store.name}
    owned = {key: obj for key, obj in objects.items() if key.kind not in RECORDS}
    recorded = [obj for key, obj in objects.items() if key.kind in RECORDS]
    used = secrets_of_interest(store, recorded)
    secrets, notes = _secrets(kubectl, store, used, fresh=not objects)
    notes += [f"You may not read {name}: shown as if there were none." for name in unread]
    try:
        snapshot = take_snapshot(
            store,
            recorded,
            owned,
            secrets=secrets.reasons,
            databases=secrets.databases,
            secret_owners=secrets.owners,
            key_sets=secrets.key_sets,
            pull_secrets=_pull_secrets(kubectl, pull_secrets.secrets_of_interest(owned)),
            warnings=_warnings(kubectl, find_unexplained(owned, now)),
            settings=settings,
        )
    except ValidationError as error:
        raise _not_ours(f"A release of BookStore {store.name}", error) from error
    return Observation(snapshot, manifest, objects, tuple(notes), tuple(unread))


def _store_of(manifest: Manifest) -> BookStore:
    try:
        return BookStore.model_validate(manifest)
    except ValidationError as error:
        ready = find_condition(manifest, READY)
        reported = f"\nThe operator reports {ready['reason']}: {ready['message']}" if ready else ""
        raise _not_ours(f"BookStore {manifest['metadata']['name']}", error, reported) from error


def _not_ours(what: str, error: ValidationError, more: str = "") -> PluginError:
    message = (
        f"{what} can't be read: {invalid_fields(error)}. If it was written by another version of "
        f"the operator, use the plugin of that version.{more}"
    )
    return PluginError(message)


def list_owned(kubectl: Kubectl, store: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Return objects, a BookStore's among them, and the kinds that may not be read.

    Releases are not among the latter.
    """
    labeled = [resource for resource in OBSERVED if resource.selector]
    others = [resource for resource in OBSERVED if not resource.selector]
    found, unread = _list(kubectl, labeled, f"{STORE_LABEL}={store}")
    more, also_unread = _list(kubectl, others, None)
    return [*found, *more], [*unread, *also_unread]


def _list(
    kubectl: Kubectl, resources: Sequence[Resource], selector: str | None
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the objects of some kinds, and the kinds that may not be read."""
    try:
        return kubectl.list_all(resources, selector=selector), []
    except KubectlError as error:
        unread = [r for r in resources if _names_kind(str(error), r)]
        if error.reason != "Forbidden" or not unread or RELEASES in unread:
            raise
        # kubectl prints what it may read, also when a part was forbidden.
        return items_in(error.stdout), [resource.plural for resource in unread]


def _names_kind(message: str, resource: Resource) -> bool:
    names = (
        f"(Forbidden): {resource.plural} is",
        f"(Forbidden): {resource.plural}.{resource.group} is",
    )
    return any(name in message for name in names)


def _secrets(
    kubectl: Kubectl, store: BookStore, used: UsedKeys, *, fresh: bool
) -> tuple[Secrets, list[str]]:
    """Return the Secrets as in a Snapshot, and notes about them. No value leaves this function.

    Args:
        kubectl: reaches the cluster.
        store: the BookStore.
        used: the Secrets and keys that it uses.
        fresh: it has no objects yet, so the operator's own Secrets do not exist either.

    """
    try:
        found = kubectl.get_named(SECRETS, used)
    except KubectlError as error:
        if error.reason != "Forbidden":
            raise
        own = {name for name in used if name.startswith(f"{store.name}-")}
        assumed = sorted(set(used) - own if fresh else used)
        if not assumed:
            return Secrets(), []
        note = (
            f"You may not read Secrets: {', '.join(assumed)} assumed to exist with valid values. "
            "The operator's own status says whether they do."
        )
        return Secrets({name: dict.fromkeys(used[name]) for name in assumed}), [note]
    by_name = {secret["metadata"]["name"]: secret for secret in found}
    return describe_secrets(by_name, used, store.name), []


def _pull_secrets(kubectl: Kubectl, names: frozenset[str]) -> Mapping[str, str]:
    try:
        found = {s["metadata"]["name"]: s for s in kubectl.get_named(SECRETS, names)}
    except KubectlError as error:
        if error.reason != "Forbidden":
            raise
        return {}
    return pull_secrets.invalid_reasons({name: found.get(name) for name in sorted(names)})


def _warnings(kubectl: Kubectl, keys: Sequence[ObjectRef]) -> Mapping[ObjectRef, str]:
    messages: dict[ObjectRef, str] = {}
    for key in keys:
        try:
            events = kubectl.list_all([CORE_EVENTS], fields=warning_selector(key))
        except KubectlError as error:
            if error.reason != "Forbidden":
                raise
            return {}
        if text := newest_message(events):
            messages[key] = text
    return messages


# The operator ---------------------------------------------------------------------------------


def find_operators(kubectl: Kubectl) -> list[dict[str, Any]] | None:
    """Return the operator's Deployments in all namespaces; None if they may not be read."""
    selector = f"{NAME_LABEL}={OPERATOR_NAME}"
    try:
        return kubectl.list_all([DEPLOYMENTS], selector=selector, everywhere=True)
    except KubectlError as error:
        if error.reason != "Forbidden":
            raise
        return None
