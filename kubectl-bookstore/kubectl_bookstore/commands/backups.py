"""`backup`, `backups`, `verify`: take backups, look at them and read them back."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from bookstore_operator.core.kinds import BACKUPS
from bookstore_operator.core.labels import VERIFY_ANNOTATION
from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.backup import BackupPhase, BookStoreBackup
from bookstore_operator.crd.base import API_VERSION
from kubectl_bookstore.cluster.kubectl import Kubectl
from kubectl_bookstore.cluster.observe import find_store
from kubectl_bookstore.commands.follow import follow
from kubectl_bookstore.commands.records import find_record, parse_record
from kubectl_bookstore.errors import ExitCode, PluginError
from kubectl_bookstore.options import TIMEOUT_SECONDS, Name, Output, RequiredName, Timeout, Wait
from kubectl_bookstore.output import Format, note, print_data, print_table, say
from kubectl_bookstore.views import backups as views
from kubectl_bookstore.views.drills import last_line

BackupName = Annotated[
    str | None,
    typer.Option("--backup", help="Name of a BookStoreBackup; default: the newest one."),
]


def backup(
    kubectl: Kubectl,
    name: RequiredName,
    *,
    wait: Wait = False,
    timeout: Timeout = TIMEOUT_SECONDS,
    output: Output = Format.TEXT,
) -> ExitCode:
    """Take a backup of a BookStore's database now.

    Creates a BookStoreBackup, for which the operator runs a Job; it goes where the BookStore's
    spec.backup says. With --wait: code 0 once it is stored and was read back, code 4 if it failed.

    For example:
      kubectl bookstore backup demo --wait
    """
    store = find_store(kubectl, name)
    _require_target(store)
    created = kubectl.create(_manifest(store, datetime.now(UTC)))
    label = created["metadata"]["name"]
    if output is Format.TEXT:
        say(f"Created BookStoreBackup {label}. See kubectl bookstore backups {_name(store)}.")
    if not wait:
        return _print(created, output)
    last, code = follow(
        lambda: find_record(kubectl, BACKUPS, label),
        lambda it: views.taken(_model(it)),
        timeout,
        output,
        label,
    )
    _print(last, output)
    return code


def backups(kubectl: Kubectl, name: Name = None, *, output: Output = Format.TEXT) -> ExitCode:
    """List the backups of a BookStore, oldest first.

    It shows the operator's records: what is in the bucket or on the volume counts. A backup counts
    as Verified once it was read back whole and compared with its manifest.

    For example:
      kubectl bookstore backups demo
    """
    now = datetime.now(UTC)
    store = find_store(kubectl, name)
    found = _of_store(kubectl, _name(store))
    if output is not Format.TEXT:
        print_data([_shown(item) for item in found], output)
    elif not found:
        hint = "" if store["spec"].get("backup") else ", and spec.backup is not set"
        note(f"BookStore {_name(store)} has no backup yet{hint}.")
    else:
        print_table(views.HEADER, [views.row(_model(item), now) for item in found])
        if line := last_line(store, now):
            note(line)
    return ExitCode.DONE


def verify(  # noqa: PLR0913 - one argument per option
    kubectl: Kubectl,
    name: RequiredName,
    *,
    which: BackupName = None,
    wait: Wait = False,
    timeout: Timeout = TIMEOUT_SECONDS,
    output: Output = Format.TEXT,
) -> ExitCode:
    """Read a backup back whole and compare it with its manifest.

    With --wait: code 0 if it is what its manifest says, code 4 if it is damaged or can't be read.

    For example:
      kubectl bookstore verify demo --wait
    """
    store = find_store(kubectl, name)
    chosen = _chosen(kubectl, _name(store), which)
    label = chosen["metadata"]["name"]
    request = datetime.now(UTC).isoformat(timespec="milliseconds")
    kubectl.annotate(BACKUPS, chosen, {VERIFY_ANNOTATION: request})
    if output is Format.TEXT:
        say(f"Asked the operator to verify BookStoreBackup {label}.")
    if not wait:
        return _print(chosen, output)
    last, code = follow(
        lambda: find_record(kubectl, BACKUPS, label),
        lambda it: views.verified(_model(it), request),
        timeout,
        output,
        label,
    )
    _print(last, output)
    return code


# Records -------------------------------------------------------------------------------------


def _manifest(store: Manifest, now: datetime) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": BACKUPS.kind,
        "metadata": {"name": f"{_name(store)}-{now:%Y%m%d%H%M%S}"},
        "spec": {"storeName": _name(store)},
    }


def _require_target(store: Manifest) -> None:
    if not store["spec"].get("backup"):
        message = (
            f"BookStore {_name(store)} has no spec.backup, so there is nowhere to store a backup. "
            "See docs/reference/backups.md."
        )
        raise PluginError(message, ExitCode.REFUSED)


def _of_store(kubectl: Kubectl, store: str) -> list[Manifest]:
    found = [item for item in kubectl.list_all([BACKUPS]) if item["spec"]["storeName"] == store]
    return sorted(
        found, key=lambda item: (item["metadata"]["creationTimestamp"], item["metadata"]["name"])
    )


def _chosen(kubectl: Kubectl, store: str, which: str | None) -> Manifest:
    """Return the record of a name, else of the newest stored backup."""
    found = {item["metadata"]["name"]: item for item in _of_store(kubectl, store)}
    newest = views.newest_stored([_model(item) for item in found.values()])
    label = which or (newest.name if newest else None)
    if label in found:
        return found[label]
    if which is None:
        message = f"BookStore {store} has no stored backup. See kubectl bookstore backups {store}."
        raise PluginError(message, ExitCode.NOTHING_TO_DO)
    message = (
        f"BookStore {store} has no BookStoreBackup {which}. See kubectl bookstore backups {store}."
    )
    raise PluginError(message, ExitCode.NOT_FOUND)


def _model(manifest: Manifest) -> BookStoreBackup:
    return parse_record(BookStoreBackup, manifest)


def _name(store: Manifest) -> str:
    name: str = store["metadata"]["name"]
    return name


def _print(manifest: Manifest, output: Format) -> ExitCode:
    if output is not Format.TEXT:
        print_data(_shown(manifest), output)
    return ExitCode.DONE


def _shown(manifest: Manifest) -> Mapping[str, Any]:
    """Return a record as data, without what only the API server needs."""
    kept = ("name", "namespace", "creationTimestamp")
    metadata = {key: manifest["metadata"][key] for key in kept if key in manifest["metadata"]}
    return {
        "metadata": metadata,
        "spec": manifest.get("spec") or {},
        "status": manifest.get("status") or {"phase": BackupPhase.PENDING},
    }
