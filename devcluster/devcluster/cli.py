"""The command line."""

import json
import shlex
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from devcluster import binaries, controlplane, dev, disk, kindcluster, offline, progress
from devcluster import doctor as checks
from devcluster import prune as unused
from devcluster.engine import EngineChoice
from devcluster.errors import DevclusterError
from devcluster.images import Role
from devcluster.status import Status

DEFAULT_NAME = "bookstore"

commands = typer.Typer(
    name="devcluster",
    help="Run Kubernetes clusters for development and tests.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Name = Annotated[str, typer.Option("--name", "-n", help="The cluster's name.")]
ControlPlane = Annotated[
    bool,
    typer.Option(
        "--control-plane",
        help="A control plane with simulated Pods, which requires neither Docker nor root.",
    ),
]
EngineOption = Annotated[
    EngineChoice,
    typer.Option(
        envvar="DEVCLUSTER_ENGINE",
        help="The Docker engine for kind: this machine's (docker), or one that devcluster runs "
        "from Debian's packages (private). auto: this machine's, if it answers.",
    ),
]
# What an image is for, as people type it: the roles' names in small letters.
ImageRole = StrEnum("ImageRole", ["BASE", "POSTGRES", "VALKEY"])


class Interrupted(BaseException):
    """The process was asked to end: by Ctrl-C, `kill`, or a terminal that was closed."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def app() -> None:
    """Run a command. A failure that a person can do something about prints no traceback."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _interrupt)
    try:
        commands()
    except (DevclusterError, OSError) as error:
        text = Text.assemble(("Error: ", "bold red"), _error_text(error))
        progress.console.print(text, soft_wrap=True)
        sys.exit(1)
    except Interrupted as interrupted:
        progress.warn("Interrupted. What is half made is recreated the next time.")
        sys.exit(128 + interrupted.number)


def _error_text(error: DevclusterError | OSError) -> str:
    """Return what people read about a failure; on a full disk it says what to free."""
    if not disk.is_full(error):
        return str(error)
    failed = error.message if isinstance(error, DevclusterError) else str(error)
    return f"{failed}\n{disk.what_to_free()}"


def _interrupt(number: int, _: object) -> None:
    # Not KeyboardInterrupt: typer ends on it and prints nothing.
    raise Interrupted(number)


@commands.command()
def up(  # noqa: PLR0913, PLR0917 - one argument per option
    name: Name = DEFAULT_NAME,
    control_plane: ControlPlane = False,
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Port on 127.0.0.1 that is forwarded to node port 30080."
        ),
    ] = None,
    metrics: Annotated[bool, typer.Option("--metrics", help="Add the metrics server.")] = False,
    network_policies: Annotated[
        bool, typer.Option("--network-policies", help="Enforce network policies.")
    ] = False,
    engine: EngineOption = EngineChoice.AUTO,
) -> None:
    """Start a cluster, unless it is already up.

    The default is a kind cluster: on this machine's Docker engine if it answers, else on a private
    engine. If that engine can't pull images, they are built on this machine.
    """
    if control_plane:
        if port is not None or metrics or network_policies:
            raise typer.BadParameter(
                "only for kind clusters: --port, --metrics, --network-policies"
            )
        plane = controlplane.up(name)
        progress.say(f"API server: {plane.server}")
    else:
        if controlplane.find(name):
            raise DevclusterError(
                f"{name} is the name of a control plane without nodes.",
                f"Take it down first (devcluster down --name {name}), or use another name.",
            )
        kindcluster.up(
            name, port=port, metrics=metrics, network_policies=network_policies, choice=engine
        )
    progress.say(f'To use it: eval "$(devcluster env --name {name})"')


@commands.command()
def down(
    name: Name = DEFAULT_NAME,
    all_clusters: Annotated[bool, typer.Option("--all", help="Delete all clusters.")] = False,
) -> None:
    """Delete a cluster, with its processes and data. Built programs stay in the cache."""
    names = [cluster.name for cluster in _clusters()] if all_clusters else [name]
    for cluster in names:
        if controlplane.down(cluster):
            progress.say(f"The control plane {cluster} is gone.")
        else:
            kindcluster.down(cluster)
    if all_clusters:
        offline.stop_unused_engine()


@commands.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the clusters: their type, whether they answer, and their address."""
    clusters = _clusters()
    if as_json:
        typer.echo(json.dumps([asdict(cluster) for cluster in clusters], indent=1))
    elif clusters:
        typer.echo(_table([("NAME", "STATE", "KIND", "URL", "KUBECONFIG"), *map(_cells, clusters)]))
    else:
        typer.echo("No cluster is up. To bring one up: devcluster up")


@commands.command()
def load(
    images: Annotated[list[str], typer.Argument(metavar="IMAGE...", help="Names of images.")],
    name: Name = DEFAULT_NAME,
) -> None:
    """Put images of the Docker engine onto a kind cluster's node."""
    if controlplane.find(name):
        raise DevclusterError(
            f"{name} is a control plane without nodes: its Pods are simulated and need no image."
        )
    kindcluster.get(name).load(images)


@commands.command("dev")
def develop(
    name: Name = DEFAULT_NAME,
    store: Annotated[str, typer.Option("--store", help="The BookStore to develop.")] = "demo",
    namespace: Annotated[
        str, typer.Option("--namespace", help="The BookStore's namespace.")
    ] = "default",
) -> None:
    """Follow changes of the code on a kind cluster, until Ctrl-C.

    Python files of the API are copied into its Pods, which serve them at once. For any other change
    the image is built, loaded and run: that of the API by a release. Run it in the repository,
    with a BookStore on the cluster (make demo).
    """
    loop = dev.Loop(kindcluster.get(name), Path.cwd(), store, namespace)
    try:
        loop.run()
    except Interrupted:
        progress.say(f"Ended. BookStore {store} keeps the image that it has, and copied files.")


@commands.command()
def kubeconfig(name: Name = DEFAULT_NAME) -> None:
    """Print the path of a cluster's kubeconfig file."""
    plane = controlplane.find(name)
    typer.echo(_alive(plane).kubeconfig if plane else kindcluster.get(name).kubeconfig)


@commands.command()
def env(name: Name = DEFAULT_NAME) -> None:
    """Print the variables for kubectl, docker and kind: eval "$(devcluster env)"."""
    plane = controlplane.find(name)
    _export(_alive(plane).environment() if plane else kindcluster.get(name).environment())


def _export(variables: Mapping[str, str]) -> None:
    for variable, value in variables.items():
        typer.echo(f"export {variable}={shlex.quote(value)}")


@commands.command()
def prepare(
    control_plane: ControlPlane = False,
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Prepare the metrics server too.")
    ] = False,
    engine: EngineOption = EngineChoice.AUTO,
) -> None:
    """Download or build the programs that a cluster needs, so that `up` is fast."""
    if control_plane:
        binaries.ensure(controlplane.PROGRAMS)
    else:
        kindcluster.prepare(metrics=metrics, choice=engine)


@commands.command()
def image(
    roles: Annotated[list[ImageRole], typer.Argument(help="The images to build.")],
    engine: EngineOption = EngineChoice.AUTO,
) -> None:
    """Build base images without a cluster: eval "$(devcluster image base)".

    Prints the variables with their names and, for docker, of the engine that has them.
    """
    _export(kindcluster.image_environment([Role[role.name] for role in roles], engine))


@commands.command()
def prune(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print what would be removed.")
    ] = False,
) -> None:
    """Remove programs of earlier versions and images of the private engine that are not used.

    Keeps what the next cluster needs and, while a kind cluster is up, what was built for it.
    """
    was_running = offline.running_engine() is not None
    verb = "would remove" if dry_run else "removed"
    total = 0
    try:
        for item in unused.unused():
            if not dry_run:
                item.remove()
            total += item.bytes
            typer.echo(f"{verb} {item.bytes / 1e6:7.0f} MB  {item.what}")
    finally:
        if not was_running:
            offline.stop_unused_engine()
    in_all = "Would free" if dry_run else "Freed"
    # Layers that only removed images share are not in any image's size.
    typer.echo(f"{in_all} at least {total / 1e6:.0f} MB." if total else "Nothing to remove.")


@commands.command()
def doctor() -> None:
    """Check the prerequisites, and print the commands that install missing ones."""
    lacking = [
        _report(
            "A control plane with simulated Pods (devcluster up --control-plane)",
            checks.control_plane,
        ),
        _report("A kind cluster (devcluster up)", checks.kind),
    ]
    if any(lacking):
        raise typer.Exit(1)


def _report(title: str, look: Callable[[], list[checks.Check]]) -> bool:
    """Print the outcome of each check; return whether something is missing."""
    typer.echo(title)
    results = checks.guarded(look)
    for check in results:
        typer.echo(f"  {check.outcome:<8} {check.what}")
        if check.hint:
            typer.echo(f"  {'':<8} → {check.hint}")
    return any(check.outcome is checks.Outcome.MISSING for check in results)


def _clusters() -> list[Status]:
    planes = (plane.status() for plane in controlplane.all_known())
    return [*planes, *kindcluster.status()]


def _cells(cluster: Status) -> tuple[str, ...]:
    memory = f", {cluster.megabytes} MB" if cluster.megabytes else ""
    kind = cluster.kind + memory
    return (cluster.name, cluster.state, kind, cluster.url, cluster.kubeconfig)


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = (
        "   ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def _alive(plane: controlplane.ControlPlane) -> controlplane.ControlPlane:
    if not plane.alive:
        raise DevclusterError(
            f"The control plane {plane.name} is not running any more.",
            f"Bring it up again: devcluster up --control-plane --name {plane.name}",
        )
    return plane


if __name__ == "__main__":
    app()
