"""Enforce network policies, on a cluster whose nodes do not do it by themselves.

kube-network-policies judges the first packet of each connection, which a rule on each node hands to
it. While it does not run, new connections between Pods are dropped.
"""

import shlex
from collections.abc import Sequence

from devcluster import paths, progress, run
from devcluster.engine import Engine

QUEUE = 100
RULE = (
    *("-m", "conntrack", "--ctstate", "NEW"),
    *("-j", "NFQUEUE", "--queue-num", str(QUEUE)),
)
"""What is forwarded only: what the node itself sends, such as probes, is always allowed."""


def install(image: str, kubectl: Sequence[str], engine: Engine, nodes: Sequence[str]) -> None:
    """Install what enforces network policies, wait until it runs, and then let it judge.

    Raises CommandFailed.
    """
    with progress.step("Enforcing network policies", expected_seconds=10):
        run.output([*kubectl, "apply", "--server-side", "-f", "-"], input=manifests(image))
        rollout = ("rollout", "status", "daemonset/kube-network-policies", "--timeout=120s")
        run.output([*kubectl, "--namespace", "kube-system", *rollout], timeout=150)
        for node in nodes:
            engine.output("exec", node, "sh", "-c", rule_command())


def manifests(image: str) -> str:
    """Return the manifests, with the image and the number of the queue."""
    text = (paths.DATA / "network-policies.yaml").read_text()
    return text.replace("@IMAGE@", image).replace("@QUEUE@", str(QUEUE))


def rule_command() -> str:
    """Return the shell command that adds the rule to a node unless it is there."""
    check, add = (
        shlex.join(["iptables", "-w", "-t", "mangle", action, "FORWARD", *RULE])
        for action in ("-C", "-A")
    )
    return f"{check} 2>/dev/null || {add}"
