"""The options of the operator's command line."""

from dataclasses import dataclass
from pathlib import Path

from bookstore_operator.core.snapshot import OperatorSettings


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command line."""

    settings: OperatorSettings
    namespaces: tuple[str, ...] = ()
    workers: int = 10
    health_host: str = "::"  # the kubelet probes from outside the Pod, by either family
    health_port: int = 8080
    leader_election: bool = True
    lease_namespace: str = "bookstore-system"
    kubeconfig: Path | None = None
    pod_proxy: str | None = None
    """The URL of an HTTP proxy that reaches Pods; None: they are reached directly."""
    prometheus_hosts: tuple[str, ...] = ()
    """The hosts of Prometheus that BookStores may name; empty: all."""
