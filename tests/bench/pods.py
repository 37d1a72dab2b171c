"""Answer for the Pods' /metrics: an HTTP proxy, as a process of its own.

    python -m tests.bench.pods SERVER TOKEN CERTIFICATE

kwok's Pods have addresses and no processes. The operator reaches them through this proxy
(`--pod-proxy`), which watches all Pods. Each has served 20 requests a second since it was seen,
without an error. The first line of its output is its URL.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from devcluster import controlplane
from tests.bench.client import Api, Object
from tests.support.metrics_page import page

REVISION_LABEL = "bookstore.dev/revision"
PER_SECOND = 20


class Pods:
    """The Pods of all BookStores, by their addresses."""

    def __init__(self) -> None:
        self._by_address: dict[str, tuple[str, str, float]] = {}

    def see(self, pod: Object) -> None:
        """Remember a Pod's revision, and since when it has its address."""
        address = str((pod.get("status") or {}).get("podIP") or "")
        uid, labels = pod["metadata"]["uid"], pod["metadata"].get("labels") or {}
        known = self._by_address.get(address, ("", "", 0.0))
        if pod["metadata"].get("deletionTimestamp"):
            return
        if address and REVISION_LABEL in labels and known[0] != uid:
            self._by_address[address] = (uid, labels[REVISION_LABEL], time.monotonic())

    def answer(self, address: str) -> str | None:
        """Return the page of the Pod with an address; None if there is none."""
        if address not in self._by_address:
            return None
        _, revision, since = self._by_address[address]
        requests = int((time.monotonic() - since) * PER_SECOND)
        return page(revision=int(revision), requests=requests)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close the connection."""
        head = await reader.readuntil(b"\r\n\r\n")
        found = self.answer(urlsplit(head.split()[1].decode()).hostname or "")
        body = (found or "no such Pod").encode()
        status = "200 OK" if found else "502 Bad Gateway"
        fields = f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(f"HTTP/1.1 {status}\r\n{fields}".encode() + body)
        await writer.drain()
        writer.close()

    async def follow(self, api: Api) -> None:
        """Follow all Pods until the API server ends the watch."""
        path = "/api/v1/pods"
        listed = await api.list(path)
        for pod in listed["items"]:
            self.see(pod)
        async for event in api.events(path, listed["metadata"]["resourceVersion"]):
            if event["type"] != "DELETED":  # its address may be another Pod's by now
                self.see(event["object"])


async def _serve(server: str, token: str, certificate: str) -> None:
    pods = Pods()
    async with Api(server, token, certificate) as api:
        listening = await asyncio.start_server(pods.serve, "127.0.0.1", 0, backlog=1024)
        port = listening.sockets[0].getsockname()[1]
        print(f"http://127.0.0.1:{port}", flush=True)
        await pods.follow(api)


@contextmanager
def answering(plane: controlplane.ControlPlane) -> Iterator[str]:
    """Run it for the block; yield its URL."""
    certificate = str(plane.folder / "pki" / "apiserver.crt")
    command = [sys.executable, "-m", "tests.bench.pods", plane.server, plane.token, certificate]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
