"""The state of clusters, as `devcluster status` shows it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Status:
    """A cluster: `state` is running, stopped or in part; the rest as in `status --json`."""

    name: str
    state: str
    kind: str
    url: str
    kubeconfig: str
    processes: int = 0
    megabytes: int = 0
