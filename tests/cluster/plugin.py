"""Runs of the kubectl plugin against the control plane of a test."""

import json
from dataclasses import dataclass
from typing import Any

from typer.testing import CliRunner

from demo.kubectl import Kubectl
from kubectl_bookstore.__main__ import as_kubectl_reads
from kubectl_bookstore.app import app
from tests.cluster.conftest import Shop


@dataclass(frozen=True)
class Answer:
    """How a run of the plugin ended."""

    code: int
    out: str
    error: str

    @property
    def data(self) -> Any:
        """Return what `-o json` printed."""
        return json.loads(self.out)


def run(where: Shop | Kubectl, *arguments: str, stdin: str | None = None) -> Answer:
    """Run the plugin in the namespace of a test, off a terminal: here, since it starts kubectl."""
    kubectl = where.kubectl if isinstance(where, Shop) else where
    words = as_kubectl_reads([*arguments, f"--namespace={kubectl.namespace}"])
    done = CliRunner().invoke(app, words, input=stdin, env=dict(kubectl.environment))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return Answer(done.exit_code, done.stdout, done.stderr)
