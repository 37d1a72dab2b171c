"""`kubectl bookstore plan`: what the operator would do, by the operator's own decision."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from bookstore_operator.core.kinds import BOOKSTORES
from bookstore_operator.core.plan import Manifest
from kubectl_bookstore.cluster.kubectl import Kubectl, KubectlError
from kubectl_bookstore.cluster.observe import find_operators, find_store, observe
from kubectl_bookstore.errors import ExitCode, PluginError
from kubectl_bookstore.options import Name, Output
from kubectl_bookstore.output import Format, note, print_data, print_diff, say
from kubectl_bookstore.views.evaluate import evaluate_snapshot
from kubectl_bookstore.views.observation import (
    Observation,
    settings_in_use,
    settings_of,
    with_settings,
)
from kubectl_bookstore.views.planning import FieldChange, PlanView, plan_view
from kubectl_bookstore.views.text import clean

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def plan(
    kubectl: Kubectl,
    name: Name = None,
    *,
    filename: Annotated[
        str | None,
        typer.Option("--filename", "-f", help="File with a BookStore to plan for; - for stdin."),
    ] = None,
    diff: Annotated[bool, typer.Option(help="Show what changes in each object.")] = True,
    output: Output = Format.TEXT,
) -> ExitCode:
    """Show what the operator would do next, with the operator's own code. Changes nothing.

    With -f: after `kubectl apply` of that file, which the API server validates in a dry run.
    Without: with the BookStore as it is. Values of Secrets are never shown. The next step is shown
    exactly; what follows depends on the cluster, so of that only the stages are listed.

    For example:
      kubectl bookstore plan -f bookstore.yaml
      kubectl bookstore plan demo --no-diff
      kubectl bookstore plan -f bookstore.yaml -o json
    """
    if filename is None:
        live = find_store(kubectl, name)
        views = [_plan(kubectl, live, live, ())]
    else:
        views = [_plan_of_file(kubectl, store) for store in _stores_in(filename, name)]
    if output is Format.TEXT:
        for view in views:
            _show(view, diff=diff)
    else:
        data = [view.manifest() for view in views]
        print_data(data[0] if len(data) == 1 else data, output)
    return ExitCode.DONE


def _plan_of_file(kubectl: Kubectl, manifest: Manifest) -> PlanView:
    """Return the plan for a BookStore of a file."""
    kubectl = kubectl.within(manifest["metadata"].get("namespace"))
    live = kubectl.find(BOOKSTORES, manifest["metadata"]["name"])
    try:
        planned = kubectl.dry_run(manifest, server_side=_server_side(live))
    except KubectlError as error:
        if error.reason != "Forbidden":
            raise
        note = "You may not apply it: planned from the file, without the API server's validation."
        return _plan(kubectl, _merged(kubectl, manifest, live), live, (note,))
    return _plan(kubectl, planned, live, ())


def _plan(
    kubectl: Kubectl, planned: Manifest, live: Manifest | None, notes: tuple[str, ...]
) -> PlanView:
    kubectl = kubectl.within(planned["metadata"]["namespace"])
    now = datetime.now(UTC)
    observation = observe(kubectl, planned, now)
    if observation.unread:
        unread = ", ".join(observation.unread)
        message = f"A plan needs the right to list {unread}, which you lack."
        raise PluginError(f"{message} Ask for the role `view` in the namespace.")
    observation, more = _with_operators_settings(kubectl, observation)
    evaluation = evaluate_snapshot(observation.snapshot, now)
    spec = None if live is None else live["spec"]
    return plan_view(observation, evaluation, spec, (*notes, *more))


def _with_operators_settings(
    kubectl: Kubectl, observation: Observation
) -> tuple[Observation, tuple[str, ...]]:
    """Return the Observation with the images that the operator uses, and what is assumed."""
    settings = settings_of(find_operators(kubectl) or ())
    if settings is not None:
        return with_settings(observation, settings), ()
    settings = settings_in_use(observation.snapshot)
    note = (
        "You may read no single Deployment of the operator, so its images are taken to be "
        f"{settings.postgres_image} and {settings.valkey_image}."
    )
    return with_settings(observation, settings), (note,)


def _server_side(live: Manifest | None) -> bool:
    """Whether a BookStore is managed by `kubectl apply --server-side`."""
    metadata = (live or {}).get("metadata") or {}
    applied = (entry.get("operation") for entry in metadata.get("managedFields") or ())
    client_side = _LAST_APPLIED in (metadata.get("annotations") or {})
    return "Apply" in {*applied} and not client_side


def _merged(kubectl: Kubectl, manifest: Manifest, live: Manifest | None) -> Manifest:
    """Return a BookStore of a file as the API server would store it, defaults aside."""
    if live is None:
        metadata = {**manifest["metadata"], "namespace": kubectl.namespace(), "generation": 1}
        return {**manifest, "metadata": metadata}
    generation = live["metadata"].get("generation", 0) + int(live["spec"] != manifest["spec"])
    metadata = {**live["metadata"], "generation": generation}
    return {**live, "spec": manifest["spec"], "metadata": metadata}


def _stores_in(filename: str, name: str | None) -> list[dict[str, Any]]:
    """Return the BookStores of a file."""
    try:
        text = sys.stdin.read() if filename == "-" else Path(filename).read_text(encoding="utf-8")
        documents = list(_objects(yaml.safe_load_all(text)))
    except (OSError, UnicodeDecodeError) as error:
        cause = getattr(error, "strerror", None) or str(error)
        raise PluginError(f"File {filename} can't be read: {cause}.", ExitCode.USAGE) from error
    except yaml.YAMLError as error:
        cause = " ".join(str(error).split())
        raise PluginError(f"File {filename} is no YAML: {cause}.", ExitCode.USAGE) from error
    stores = [item for item in documents if _is_store(item)]
    chosen = [item for item in stores if name in {None, item["metadata"]["name"]}]
    if not chosen:
        named = f" {name}" if name else ""
        kinds = ", ".join(sorted({str(item.get("kind")) for item in documents})) or "nothing"
        message = f"File {filename} has no BookStore{named}: it has {kinds}."
        raise PluginError(message, ExitCode.USAGE)
    return chosen


def _objects(documents: Iterator[Any]) -> Iterator[dict[str, Any]]:
    """Yield the objects of YAML documents, those of Lists among them."""
    for document in documents:
        if isinstance(document, dict):
            items = document.get("items")
            yield from _objects(iter(items)) if isinstance(items, list) else (document,)


def _is_store(manifest: dict[str, Any]) -> bool:
    metadata = manifest.get("metadata")
    named = isinstance(metadata, dict) and isinstance(metadata.get("name"), str)
    group = str(manifest.get("apiVersion")).partition("/")[0]
    ours = manifest.get("kind") == BOOKSTORES.kind and group == BOOKSTORES.group
    return ours and named and isinstance(manifest.get("spec"), dict)


# Text -------------------------------------------------------------------------------------------


def _show(view: PlanView, *, diff: bool) -> None:
    say(f"Plan for BookStore {view.namespace}/{view.name}")
    for title, lines in (
        ("The spec changes:", [_change(change) for change in view.changes]),
        ("The operator's next step:", ["nothing to change"] if not view.actions else []),
    ):
        if lines:
            say(f"\n{title}")
        for line in lines:
            say(f"  {line}")
    _show_actions(view, diff=diff)
    if view.waits_for:
        again = view.again_after_seconds
        soon = f" It looks again after {again} s at the latest." if again else ""
        say(f"\nThen it waits. {clean(view.waits_for)}{soon}")
    if view.stages_ahead:
        say("\nStages of the release from here:")
    for stage in view.stages_ahead:
        say(f"  {stage.name}: {stage.sentence}")
    for text in view.notes:
        note(f"Note: {text}")


def _show_actions(view: PlanView, *, diff: bool) -> None:
    if view.actions:
        say("\nThe operator's next step:")
    for number, action in enumerate(view.actions, start=1):
        mark = " (can't be undone)" if action.irreversible else ""
        title = f"{action.verb} {action.kind} {action.name}{mark}"
        say(f"  {number}. {title}: {clean(action.message)}")
        if diff:
            print_diff(action.diff, indent="       ")


def _change(change: FieldChange) -> str:
    before, after = (
        "unset" if value is None else clean(str(value)) for value in (change.before, change.after)
    )
    return f"{change.path}: {before} → {after} ({change.effect})"
