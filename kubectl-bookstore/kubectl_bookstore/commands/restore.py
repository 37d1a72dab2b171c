"""`restore`: restore a backup into a fresh database, beside the one that serves."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from bookstore_operator.core.kinds import RESTORES
from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.base import API_VERSION
from bookstore_operator.crd.restore import MAX_NAME_LENGTH, BookStoreRestore
from kubectl_bookstore.cluster.kubectl import Kubectl
from kubectl_bookstore.cluster.observe import find_store
from kubectl_bookstore.commands.follow import follow
from kubectl_bookstore.commands.records import find_record, parse_record
from kubectl_bookstore.errors import ExitCode, PluginError
from kubectl_bookstore.options import TIMEOUT_SECONDS, Output, RequiredName, Timeout, Wait
from kubectl_bookstore.output import Format, print_data, say
from kubectl_bookstore.views.backups import restored


def restore(  # noqa: PLR0913 - one argument per option
    kubectl: Kubectl,
    name: RequiredName,
    *,
    backup: Annotated[
        str | None,
        typer.Option("--backup", help="Name of a BookStoreBackup, or of a backup in the target."),
    ] = None,
    before: Annotated[
        datetime | None,
        typer.Option(
            "--before",
            help="The newest backup that began before this time (UTC).",
            formats=["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S"],
        ),
    ] = None,
    restore_name: Annotated[
        str | None, typer.Option("--restore-name", help="Name of the new BookStoreRestore.")
    ] = None,
    wait: Wait = False,
    timeout: Timeout = TIMEOUT_SECONDS,
    output: Output = Format.TEXT,
) -> ExitCode:
    """Restore a backup into a fresh database; what serves is not touched.

    Creates a BookStoreRestore: a new PostgreSQL server with the newest backup, or the one of
    --backup or --before. To let users work on it, set spec.database.embedded.restoredFrom, which
    starts a release that waits for your approval. With --wait: code 0 once it is restored and
    compared with its manifest, code 4 if that failed.

    For example:
      kubectl bookstore restore demo --wait
      kubectl bookstore restore demo --before 2026-03-01T12:00:00Z
    """
    if backup and before:
        raise PluginError("Only one of --backup and --before may be given.", ExitCode.USAGE)
    store = find_store(kubectl, name)["metadata"]["name"]
    label = restore_name or _default_name(store, datetime.now(UTC))
    created = kubectl.create(_manifest(store, label, _source(backup, before)))
    if output is Format.TEXT:
        say(f"Created BookStoreRestore {label}.")
    if not wait:
        return _print(created, output)
    last, code = follow(
        lambda: find_record(kubectl, RESTORES, label),
        lambda it: restored(_model(it)),
        timeout,
        output,
        label,
    )
    _print(last, output)
    if code is ExitCode.DONE and output is Format.TEXT:
        say(_next_step(store, label))
    return code


def _default_name(store: str, now: datetime) -> str:
    """Return a name for a restore that is not too long for the names of its objects."""
    suffix = f"-{now:%y%m%d%H%M%S}"
    return store[: MAX_NAME_LENGTH - len(suffix)].rstrip("-") + suffix


def _source(backup: str | None, before: datetime | None) -> dict[str, str]:
    if backup:
        return {"backup": backup}
    return {"before": f"{before:%Y-%m-%dT%H:%M:%SZ}"} if before else {}


def _manifest(store: str, name: str, source: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": RESTORES.kind,
        "metadata": {"name": name},
        "spec": {"storeName": store, "source": source},
    }


def _next_step(store: str, restore: str) -> str:
    patch = f'{{"spec":{{"database":{{"embedded":{{"restoredFrom":"{restore}"}}}}}}}}'
    return (
        "To let users work on it (a release, which waits for kubectl bookstore approve):\n"
        f"  kubectl patch bookstore {store} --type=merge -p '{patch}'"
    )


def _model(manifest: Manifest) -> BookStoreRestore:
    return parse_record(BookStoreRestore, manifest)


def _print(manifest: Manifest, output: Format) -> ExitCode:
    if output is not Format.TEXT:
        print_data({key: manifest.get(key) or {} for key in ("metadata", "spec", "status")}, output)
    return ExitCode.DONE
