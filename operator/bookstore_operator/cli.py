"""`bookstore-operator`: run the operator, or print its CustomResourceDefinitions."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from bookstore_operator import __version__
from bookstore_operator.runtime import signals

_PREFIX = "BOOKSTORE_OPERATOR_"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand and return the exit code."""
    parsed = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = parsed.command
    return command(parsed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bookstore-operator", description="A Kubernetes operator that runs BookStores."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="run the operator", epilog=_ENVIRONMENT))
    crds = commands.add_parser("crds", help="print the CustomResourceDefinitions")
    crds.set_defaults(command=_crds)
    return parser


_ENVIRONMENT = (
    f"Each option can be set by an environment variable: {_PREFIX} and its name in capitals. "
    f"Example: {_PREFIX}POSTGRES_IMAGE for --postgres-image."
)


_OPTIONS: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    (
        *("--postgres-image", "postgres:18", {"metavar": "IMAGE"}),
        "image of the embedded databases",
    ),
    (
        *("--valkey-image", "valkey/valkey:8.1", {"metavar": "IMAGE"}),
        "image of the embedded caches",
    ),
    (
        *("--workers", "10", {"type": int, "metavar": "N"}),
        "number of BookStores to reconcile at the same time",
    ),
    (
        # The kubelet probes from outside.
        *("--health-host", "::", {"metavar": "ADDRESS"}),
        "address to serve /livez, /readyz and /metrics on; :: for all of IPv4 and IPv6",
    ),
    (
        *("--health-port", "8080", {"type": int, "metavar": "P"}),
        "port to serve /livez, /readyz and /metrics on; 0 for any free port",
    ),
    (
        *("--log-level", "info", {"choices": ("debug", "info", "warning", "error")}),
        "minimum level of log lines",
    ),
    (
        *("--lease-namespace", "bookstore-system", {"metavar": "NS"}),
        "namespace of the operator: of its Lease, and of its Pod, to which NetworkPolicies open "
        "the API's internal port",
    ),
)
"""The options of `run` with a constant default: flag, default, argparse's arguments, help."""


_DEFAULT_BACKUP_IMAGE = "localhost/bookstore-backup:dev"


def _add_run(run: argparse.ArgumentParser) -> None:
    run.add_argument(
        "--namespace",
        action="append",
        metavar="NS",
        help="namespace to watch; repeat the option for more (default: all namespaces)",
    )
    run.add_argument(
        "--backup-image",
        action="append",
        metavar="MAJOR=IMAGE",
        help="image of bookstore-backup for a major version of PostgreSQL; repeat the option for "
        "more. Without MAJOR=, for that of --postgres-image "
        f"(default: {_DEFAULT_BACKUP_IMAGE}; in the environment: separated by commas)",
    )
    for flag, fallback, form, text in _OPTIONS:
        default = _default(flag.removeprefix("--").replace("-", "_").upper(), fallback)
        run.add_argument(flag, default=default, help=f"{text} (default: %(default)s)", **form)
    run.add_argument(
        "--log-format",
        choices=("json", "console"),
        default=_default("LOG_FORMAT", "console" if sys.stderr.isatty() else "json"),
        help="format of log lines (default: console on a terminal, else json)",
    )
    run.add_argument(
        "--leader-election",
        action=argparse.BooleanOptionalAction,
        default=_default("LEADER_ELECTION", "true").lower() not in {"false", "no", "0"},
        help="elect a leader with a Lease, so that only one of several replicas reconciles",
    )
    run.add_argument(
        "--pod-proxy",
        default=_default("POD_PROXY", "") or None,
        metavar="URL",
        help="HTTP proxy that reaches the Pods' metrics and a Prometheus, for an operator outside "
        "of the cluster's network (default: none)",
    )
    run.add_argument(
        "--prometheus-hosts",
        default=_default("PROMETHEUS_HOSTS", ""),
        metavar="HOST[,HOST...]",
        help="hosts that spec.rollout.watch.prometheus.url may name (default: all, but at no "
        "loopback, link-local or metadata address)",
    )
    run.add_argument(
        "--kubeconfig",
        type=Path,
        default=_kubeconfig(),
        metavar="FILE",
        help="kubeconfig file (default: $KUBECONFIG, the Pod's service account, or ~/.kube/config)",
    )
    run.set_defaults(command=_run)


def _default(name: str, fallback: str) -> str:
    return os.environ.get(_PREFIX + name) or fallback


def _kubeconfig() -> Path | None:
    path = os.environ.get(_PREFIX + "KUBECONFIG") or os.environ.get("KUBECONFIG")
    return Path(path) if path else None


def _namespaces(options: Sequence[str] | None) -> tuple[str, ...]:
    names = options or _default("NAMESPACE", "all").split(",")
    return () if "all" in names else tuple(dict.fromkeys(name for name in names if name))


def _backup_images(options: Sequence[str] | None, postgres_image: str) -> Mapping[int, str]:
    from bookstore_operator.core.postgres_versions import backup_images  # noqa: PLC0415

    given = options or _default("BACKUP_IMAGE", _DEFAULT_BACKUP_IMAGE).split(",")
    try:
        return backup_images(given, postgres_image)
    except ValueError as error:
        sys.exit(f"bookstore-operator: {error}.")


def _run(arguments: argparse.Namespace) -> int:
    # Imported here, because the other commands need neither kopf nor a client.
    from bookstore_operator.core.snapshot import OperatorSettings  # noqa: PLC0415
    from bookstore_operator.runtime.options import Options  # noqa: PLC0415

    try:
        from bookstore_operator.runtime import logs, process  # noqa: PLC0415
    except ModuleNotFoundError as error:
        sys.exit(f"{error.name} is not installed: pip install 'bookstore-operator[run]'.")

    signals.end_at_once()  # until process.run handles signals, nothing needs an orderly end
    logs.configure(arguments.log_format, arguments.log_level)
    options = Options(
        settings=OperatorSettings(
            postgres_image=arguments.postgres_image,
            valkey_image=arguments.valkey_image,
            backup_images=_backup_images(arguments.backup_image, arguments.postgres_image),
            namespace=arguments.lease_namespace,
        ),
        namespaces=_namespaces(arguments.namespace),
        workers=arguments.workers,
        health_host=arguments.health_host,
        health_port=arguments.health_port,
        leader_election=arguments.leader_election,
        lease_namespace=arguments.lease_namespace,
        kubeconfig=arguments.kubeconfig,
        pod_proxy=arguments.pod_proxy,
        prometheus_hosts=tuple(filter(None, arguments.prometheus_hosts.split(","))),
    )
    process.run_process(process.run(options))


def _crds(_: argparse.Namespace) -> int:
    from bookstore_operator.crd.schema import crds  # noqa: PLC0415

    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # so that `crds | head` prints no error
    copies = json.loads(json.dumps(crds()))  # shared parts would become YAML anchors
    yaml.safe_dump_all(copies, sys.stdout, sort_keys=False, allow_unicode=True)
    return 0
