"""A real mutating admission webhook: an HTTPS server that rewrites the images of Deployments."""

import asyncio
import base64
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from demo.kubectl import Kubectl
from tests.support.certificates import Authority

_START_SECONDS = 10.0
_KIND = "MutatingWebhookConfiguration"


@contextmanager
def images_of(kubectl: Kubectl, namespace: str, folder: Path, mirror: str) -> Iterator[str]:
    """Have the API server ask a webhook that puts a mirror for the registry; yield its name."""
    authority = Authority(folder, "webhook")
    issued = authority.issue("127.0.0.1")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(issued.file, issued.key)
    server = _Server(context, mirror)
    server.start()
    name = f"{namespace}-mirror"
    try:
        kubectl.apply(_configuration(name, namespace, server.port, authority.file.read_bytes()))
        yield name
    finally:
        kubectl("delete", _KIND, name, "--ignore-not-found")
        server.end()


class _Server:
    def __init__(self, context: ssl.SSLContext, mirror: str) -> None:
        self.port = 0
        self._context = context
        self._mirror = mirror
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(_START_SECONDS), "the webhook did not start"

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(_START_SECONDS)
        assert not self._thread.is_alive(), "the webhook did not end"

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        application = web.Application()
        application.router.add_post("/", self._review)
        runner = web.AppRunner(application, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._context).start()
        self.port = runner.addresses[0][1]
        self._ready.set()
        await self._ended.wait()
        for connection in runner.server.connections if runner.server else ():
            if connection.transport:
                connection.transport.abort()  # a TLS close takes longer than the loop lives
        await runner.cleanup()

    async def _review(self, request: web.Request) -> web.Response:
        review = await request.json()
        containers = review["request"]["object"]["spec"]["template"]["spec"]["containers"]
        patch = [
            {
                "op": "replace",
                "path": f"/spec/template/spec/containers/{index}/image",
                "value": f"{self._mirror}/{container['image'].partition('/')[2]}",
            }
            for index, container in enumerate(containers)
            if not container["image"].startswith(f"{self._mirror}/")
        ]
        response = {
            "uid": review["request"]["uid"],
            "allowed": True,
            "patchType": "JSONPatch",
            "patch": base64.b64encode(json.dumps(patch).encode()).decode(),
        }
        head = {key: review[key] for key in ("apiVersion", "kind")}
        return web.json_response({**head, "response": response})


def _configuration(name: str, namespace: str, port: int, authority: bytes) -> dict[str, Any]:
    webhook = {
        "name": "images.example.com",
        "clientConfig": {
            "url": f"https://127.0.0.1:{port}/",
            "caBundle": base64.b64encode(authority).decode(),
        },
        "rules": [
            {
                "apiGroups": ["apps"],
                "apiVersions": ["v1"],
                "operations": ["CREATE", "UPDATE"],
                "resources": ["deployments"],
            }
        ],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 5,
    }
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": _KIND}
    return {**head, "metadata": {"name": name}, "webhooks": [webhook]}
