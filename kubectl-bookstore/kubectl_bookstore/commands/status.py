"""`kubectl bookstore status`: a table of all BookStores, or one as a tree."""

import sys
from typing import Annotated

import typer
from rich.live import Live

from bookstore_operator.core.kinds import BOOKSTORES
from bookstore_operator.core.lookup import find_condition
from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.status import READY
from kubectl_bookstore.cluster.kubectl import Kubectl
from kubectl_bookstore.commands.look import Look, done, look, looks, wait_until
from kubectl_bookstore.errors import ExitCode, PluginError
from kubectl_bookstore.options import TIMEOUT_SECONDS, Name, Output, Timeout, Wait
from kubectl_bookstore.output import (
    Format,
    console,
    note,
    print_data,
    print_table,
    print_tree,
    renderable,
)
from kubectl_bookstore.views.tree import tree_of


def status(  # noqa: PLR0913 - one argument per option
    kubectl: Kubectl,
    name: Name = None,
    *,
    everywhere: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="All BookStores of all namespaces.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it until Ctrl-C.")] = False,
    wait: Wait = False,
    timeout: Timeout = TIMEOUT_SECONDS,
    output: Output = Format.TEXT,
) -> ExitCode:
    """Show a BookStore as a tree: release, stages, gates, Pods and their problems.

    Without a name: a table of all BookStores of the namespace. With --wait the exit code says how
    it ended: 0 done, 3 waits for a person, 4 failed, 5 timed out.

    For example:
      kubectl bookstore status
      kubectl bookstore status demo --watch
      kubectl bookstore status demo --wait --timeout 600 && echo released
    """
    if name is None:
        if watch or wait:
            raise PluginError("--watch and --wait need the name of a BookStore.", ExitCode.USAGE)
        return _table(kubectl, output, everywhere=everywhere)
    if everywhere or (watch and (wait or output is not Format.TEXT)):
        message = "NAME excludes --all-namespaces, and --watch excludes --wait and -o json or yaml."
        raise PluginError(message, ExitCode.USAGE)
    if watch:
        return _watch(kubectl, name)
    code = ExitCode.DONE
    if wait:
        current, code = wait_until(kubectl, name, timeout, output, done)
    else:
        current = look(kubectl, name)
    show(current, output)
    return code


def show(current: Look, output: Format) -> None:
    """Print a BookStore."""
    if output is not Format.TEXT:
        print_data(current.view.manifest(), output)
        return
    print_tree(tree_of(current.view, current.at))
    for text in current.view.notes:
        note(f"Note: {text}")


def _table(kubectl: Kubectl, output: Format, *, everywhere: bool) -> ExitCode:
    stores = kubectl.list_all([BOOKSTORES], everywhere=everywhere)
    if output is not Format.TEXT:
        print_data([_row(store) for store in stores], output)
    elif not stores:
        where = "any namespace" if everywhere else f"namespace {kubectl.namespace()}"
        note(f"There is no BookStore in {where}.")
    else:
        rows = [list(_row(store).values()) for store in stores]
        header = ["NAMESPACE", "NAME", "READY", "REASON", "RELEASE", "STAGE", "ACTIVE", "PODS"]
        print_table([*header, "IMAGE"], rows)
    return ExitCode.DONE


def _row(store: Manifest) -> dict[str, str]:
    spec, state = store["spec"], store.get("status") or {}
    active = state.get("active") or {}
    ready = find_condition(store, READY)
    paused = spec.get("paused")
    return {
        "namespace": store["metadata"]["namespace"],
        "name": store["metadata"]["name"],
        "ready": ready.get("status", "Unknown"),
        "reason": "Paused" if paused else ready.get("reason", ""),
        "release": state.get("release") or "",
        "stage": state.get("stage") or "",
        "active": active.get("color") or "",
        "pods": f"{state.get('readyReplicas', 0)}/{state.get('replicas', 0)}",
        "image": spec["image"],
    }


def _watch(kubectl: Kubectl, name: str) -> ExitCode:
    """Show the tree until Ctrl-C: in place on a terminal, else again after each change."""
    if not sys.stdout.isatty():
        shown = None
        for current in looks(kubectl, name):
            if current.view != shown:
                shown = current.view
                show(current, Format.TEXT)
        return ExitCode.DONE
    with Live(console=console(wrap=True), auto_refresh=False, vertical_overflow="crop") as live:
        for current in looks(kubectl, name):
            live.update(renderable(tree_of(current.view, current.at)), refresh=True)
    return ExitCode.DONE
