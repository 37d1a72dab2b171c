"""What kube-score criticizes in all manifests of this project: only what is explained here."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from devcluster import binaries
from devcluster.errors import DevclusterError
from tests.operator.test_golden import CASES, rendered

pytestmark = [pytest.mark.golden, pytest.mark.nightly]

ROOT = Path(__file__).parents[2]
LINE = re.compile(r"^\[(CRITICAL|WARNING)\] (\S+) \S+: (?:\(\S+\) )?(.*)$")

EXCEPTIONS: Mapping[str, str] = {
    "CPU limit is not set": "a limit slows answers down while processors are idle; the request "
    "has its share. spec.resources sets one",
    "Memory limit is not set": "RICH sets limits without memory; the defaults have one",
    "Ephemeral Storage limit is not set": "what is written is in volumes with a sizeLimit: root "
    "file systems are read-only",
    "Ephemeral Storage request is not set": "the same",
    "ImagePullPolicy is not set to Always": "images have digests or tags of their own; a registry "
    "that is down must not keep a Pod from starting",
    "The container is running with a low user ID": "PostgreSQL's and Valkey's images have it",
    "The container running with a low group ID": "the same",
    "The pod does not have a matching NetworkPolicy": "Jobs listen on no port; the operator's port "
    "of health and metrics is for the cluster's own Prometheus, which the project does not know",
    "The pod does not have a matching egress NetworkPolicy": "databases, caches and object stores "
    "outside of the cluster have addresses that the operator does not know",
    "No matching PodDisruptionBudget was found": "it follows the active color; this is the other",
    "Container has the same readiness and liveness probe": "Valkey keeps no data: one that does "
    "not answer is replaced",
    "Deployment few replicas": "the colors' replicas are set by /scale; Valkey is one",
    "Deployment update strategy": "Valkey is replaced: two at once would count twice",
    "The service is of type NodePort": "RICH asks for it",
}
"""What is left as it is, by kube-score's words, and why."""


@pytest.fixture(scope="module")
def kube_score() -> Path:
    try:
        return binaries.ensure(["kube-score"])["kube-score"]
    except DevclusterError as error:
        pytest.skip(f"no kube-score: {error}")


def test_every_criticism_is_explained_and_every_explanation_is_needed(kube_score: Path) -> None:
    """The operator's own manifests, and every object that it makes."""
    install = (ROOT / "manifests/install.yaml").read_text()
    objects = [rendered(name) for name in CASES if name != "status"]
    text = "\n---\n".join([install, *objects])
    assert len(list(yaml.safe_load_all(text))) > len(objects)
    judged = subprocess.run(
        [kube_score, "score", "--output-format=ci", "-"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert judged.stdout.count("[OK]") > len(objects), judged.stderr
    criticisms = [
        match.groups() for line in judged.stdout.splitlines() if (match := LINE.match(line))
    ]
    left = [f"{name}: {what}" for _, name, what in criticisms if what not in EXCEPTIONS]
    assert left == [], "correct it, or explain it above"
    assert EXCEPTIONS.keys() - {what for _, _, what in criticisms} == set(), "explains nothing"
