"""What `devcluster dev` asks of a real API server: which Pods serve, and a release of an image."""

import json
import os

import pytest

from devcluster.dev import Client
from devcluster.errors import DevclusterError
from tests.cluster.conftest import Shop, image

pytestmark = pytest.mark.cluster


def test_the_loop_finds_the_pods_that_serve_and_begins_releases(operated: Shop) -> None:
    plane = operated.cluster.plane
    path = f"{plane.kubectl.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {"KUBECONFIG": str(plane.kubeconfig), "PATH": path}
    client = Client(environment, "demo", operated.namespace)
    with pytest.raises(DevclusterError, match="There is no BookStore demo"):
        client.require_store()
    operated.apply(replicas=2)
    operated.ready()
    client.require_store()

    client.begin_release(image("2"))
    operated.ready(image=image("2"))
    pods = operated.list("v1/pods", "app.kubernetes.io/component=api,bookstore.dev/color=green")
    names = {pod["metadata"]["name"] for pod in pods}
    assert client.containers() == {}, "a simulated container has no id"
    for name in names:
        patch = [{"op": "add", "path": "/status/containerStatuses/0/containerID", "value": name}]
        options = ("--type=json", "--subresource=status", f"-p={json.dumps(patch)}")
        operated.kubectl("patch", "pod", name, *options)
    assert client.containers() == {name: name for name in names}, "of the color that serves"
