"""The monitors and rules on a real API server with the CRDs of prometheus-operator."""

from pathlib import Path

import pytest
import yaml

from demo.kubectl import Kubectl, KubectlError
from tests.cluster.conftest import SYSTEM, Cluster
from tests.support.helm import ROOT
from tests.support.kube import wait_for
from tests.support.monitoring_crds import monitoring_crds

pytestmark = pytest.mark.cluster

FOLDER = ROOT / "manifests" / "monitoring"


def _are_served(kubectl: Kubectl) -> bool:
    kinds = "podmonitors.monitoring.coreos.com,prometheusrules.monitoring.coreos.com"
    try:
        kubectl("get", kinds, "-o", "name")
    except KubectlError:
        return False
    return True


def test_the_manifests_are_stored_as_they_are(cluster: Cluster, tmp_path: Path) -> None:
    kubectl = cluster.kubectl(SYSTEM)
    kubectl.apply(*monitoring_crds(tmp_path, "podmonitors", "prometheusrules"))
    wait_for(lambda: _are_served(kubectl), 30, "the API server to serve the new kinds")
    kubectl("apply", "--server-side", "--validate=strict", "-k", str(FOLDER))
    written = [
        manifest
        for name in yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
        for manifest in yaml.safe_load_all((FOLDER / name).read_text())
    ]
    for manifest in written:
        kind = f"{manifest['kind'].lower()}s.monitoring.coreos.com"
        stored = kubectl.find(kind, manifest["metadata"]["name"])
        assert stored is not None
        assert stored["spec"] == manifest["spec"], "nothing is pruned"
