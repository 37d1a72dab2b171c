"""What enforces network policies on a node image of our own: its manifests and the node's rule."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from devcluster import paths
from devcluster.images import ImageSource, PulledImages
from devcluster.networkpolicies import QUEUE, manifests, rule_command
from devcluster.offline import gobuild
from tests.devcluster.support import write_program

pytestmark = pytest.mark.devcluster

IPTABLES = """#!/bin/sh
echo "$@" >> "$CALLS"
case "$*" in *" -C "*) grep -q -e " -A " "$CALLS" ;; esac
"""


def test_the_program_reads_the_queue_that_the_rule_fills() -> None:
    documents = list(yaml.safe_load_all(manifests("localhost/policies:1")))
    (daemons,) = (item for item in documents if item["kind"] == "DaemonSet")
    (container,) = daemons["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "localhost/policies:1"
    assert f"--nfqueue-id={QUEUE}" in container["args"]
    assert f"--queue-num {QUEUE}" in rule_command()
    assert "@" not in manifests("localhost/policies:1")


def test_the_rule_is_added_once(tmp_path: Path) -> None:
    """A second rule would ask for each connection twice."""
    calls = tmp_path / "calls"
    calls.touch()
    write_program(tmp_path / "bin/iptables", IPTABLES)
    environment = {"CALLS": str(calls), "PATH": f"{tmp_path / 'bin'}{os.pathsep}/usr/bin:/bin"}
    for _ in range(3):
        subprocess.run(["sh", "-c", rule_command()], env=environment, check=True)
    added = [line for line in calls.read_text().splitlines() if " -A " in f" {line} "]
    assert len(added) == 1
    assert "mangle -A FORWARD -m conntrack --ctstate NEW" in added[0]
    assert "--queue-bypass" not in added[0], "connections must not pass while nobody judges them"


def test_kinds_own_nodes_need_nothing() -> None:
    images: ImageSource = PulledImages.__new__(PulledImages)
    assert images.network_policies() is None


def test_the_program_is_built_from_pinned_modules() -> None:
    recipe = gobuild.recipe_of("kube-network-policies")
    module = (paths.DATA / "go" / recipe.folder / "go.mod").read_text()
    assert f"sigs.k8s.io/kube-network-policies {recipe.version}" in module
