"""The real scheduler spreads a color's Pods over nodes, also where these have no zones."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bookstore_operator.components.serving.pod_template import api_pod_template
from bookstore_operator.core.labels import color_selector
from bookstore_operator.crd.release import Color
from demo.kubectl import Kubectl
from devcluster import controlplane
from tests.cluster.conftest import Cluster, image, own_control_plane
from tests.support.kube import wait_for

pytestmark = pytest.mark.cluster

SECONDS = 60
BUSY = "busy"


def on_both_nodes(kubectl: Kubectl, plane: controlplane.ControlPlane) -> None:
    """Add a node beside the first one, and a Pod that takes most of the first one's room."""
    first = plane.client().find(f"/api/v1/nodes/{controlplane.NODE}")
    assert first is not None
    hostname = {**first["metadata"]["labels"], "kubernetes.io/hostname": "second"}
    plane.client().post(
        "/api/v1/nodes",
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": "second", "labels": hostname},
            "status": first["status"],
        },
    )
    container = {"name": "x", "image": "x", "resources": {"requests": {"cpu": "900"}}}
    spec = {"nodeName": controlplane.NODE, "containers": [container]}
    metadata = {"name": BUSY}
    kubectl.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


def deployment(replicas: int) -> dict[str, Any]:
    template = api_pod_template("demo", 1, Color.GREEN, {"image": image("1")})
    selector = {"matchLabels": color_selector("demo", Color.GREEN)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "demo-green"},
        "spec": {"replicas": replicas, "selector": selector, "template": template},
    }


def test_the_pods_of_a_color_are_on_different_nodes(tmp_path: Path) -> None:
    """A drained node must not take all of them."""
    with own_control_plane("spread") as plane:
        kubectl = Cluster(plane, tmp_path / "unused").kubectl("default")
        on_both_nodes(kubectl, plane)
        wait_for(lambda: kubectl.list("pod"), SECONDS, "the first node to be busy")
        kubectl.apply(deployment(4))

        def placed() -> Counter[str] | None:
            pods = kubectl.list("pod", "bookstore.dev/color=green")
            nodes = [pod["spec"].get("nodeName", "") for pod in pods]
            return Counter(nodes) if len(nodes) == 4 and all(nodes) else None

        assert wait_for(placed, SECONDS, "four Pods") == {controlplane.NODE: 2, "second": 2}
