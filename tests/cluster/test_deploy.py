"""Deployments by `make deploy`, on a real control plane with a real operator.

The server in place of the users' URL answers as the image that the Service selects would: well, or
badly where the tag says so.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from delivery.deploy import DeployError, Target, deploy_store, main
from delivery.images import DOCKERFILES, as_list
from tests.cluster.conftest import ACCOUNT, QUICK, Shop, image
from tests.support.kube import wait_for

pytestmark = pytest.mark.cluster

KEPT = {**QUICK, "rollbackWindowSeconds": 600, "progressDeadlineSeconds": 60}


@contextmanager
def deployed_to(shop: Shop) -> Iterator[Target]:
    """Yield a shop as the target of deployments; images whose tag has `bad` answer with errors."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(500 if "bad" in shop.serving() else 200)
            self.end_headers()
            self.wfile.write(b'{"items": []}')

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield Target(
            store="demo",
            namespace=shop.namespace,
            url=f"http://127.0.0.1:{server.server_port}",
            environment=dict(shop.kubectl.environment),
            requests=2,
            pause=0.0,
        )
        server.shutdown()
        thread.join()


def test_a_deployment_is_tested_and_undone_if_it_fails(operated: Shop) -> None:
    """A good one serves, a bad one is switched back, one that can't start never serves."""
    operated.apply(replicas=1, rollout=KEPT, migration={"attempts": 1})
    operated.ready()
    with deployed_to(operated) as target:
        deploy_store(target, image("2"))
        deploy_store(target, image("2"))  # as after a run that was killed: it changes nothing
        assert operated.require("bookstores", "demo")["status"]["active"]["revision"] == 2

        with pytest.raises(DeployError, match=f"500.*Rolled back: {image('2')} serves"):
            deploy_store(target, image("bad"))
        assert operated.serving() == image("2")
        with pytest.raises(DeployError, match=f"ended with code.*Rolled back: {image('2')} serves"):
            deploy_store(target, image("4-job-fail"))
        assert operated.serving() == image("2")


def test_what_a_deployment_has_not_changed_it_does_not_undo(operated: Shop) -> None:
    operated.apply(replicas=1, rollout=KEPT)
    operated.ready()
    operated.apply(replicas=1, rollout=KEPT, image=image("bad"))
    wait_for(lambda: operated.serving() == image("bad"), 60, "the bad image to serve")
    operated.ready(image=image("bad"))
    with (
        deployed_to(operated) as target,
        pytest.raises(DeployError, match="nothing was rolled back"),
    ):
        deploy_store(target, image("bad"))
    assert operated.serving() == image("bad")


def test_nothing_is_changed_without_a_bookstore(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`make deploy` asks for it before it upgrades the operator."""
    monkeypatch.setenv("KUBECONFIG_TEXT", shop.cluster.plane.kubeconfig.read_text())
    monkeypatch.setenv("PATH", shop.kubectl.environment["PATH"])
    given = {
        "REGISTRY": "registry.example.com",
        "IMAGES": as_list(dict.fromkeys(DOCKERFILES, f"sha256:{'0f' * 32}")),
        "STORE": "demo",
        "STORE_NAMESPACE": shop.namespace,
        "STORE_URL": "http://127.0.0.1:1",
        "OPERATOR_NAMESPACE": shop.namespace,
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert main() == 1
    assert f"BookStore {shop.namespace}/demo can't be read" in capsys.readouterr().err
    assert shop.get("apps/v1/deployments", ACCOUNT) is None
