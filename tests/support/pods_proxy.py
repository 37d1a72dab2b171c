"""An HTTP proxy through which simulated Pods answer: their metrics grow with the time.

kwok's Pods have addresses and no processes. The operator reaches Pods through this proxy
(`--pod-proxy`), which answers for each by what the API server says of the Pod with that address.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.support.metrics_page import page

Pod = dict[str, Any]


@dataclass
class Simulation:
    """What users ask of each Pod, and what they get."""

    pods: Callable[[], list[Pod]]
    per_second: float = 20.0
    """Requests to each Pod."""
    errors: dict[str, float] = field(default_factory=dict)
    """The percentage of errors by revision."""
    version: Callable[[], str] | None = None
    """Returns what the Pods answer to /version; None: nothing."""
    asked: list[str] = field(default_factory=list)
    """The revisions of the Pods that were asked, in order."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _counts: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    """When it was asked last, its requests and its errors, by the Pod's uid."""

    def answer(self, address: str) -> str | None:
        """Return the page of the Pod with an address; None if there is none."""
        pods = [pod for pod in self.pods() if pod.get("status", {}).get("podIP") == address]
        if not pods:
            return None
        uid = pods[0]["metadata"]["uid"]
        revision = pods[0]["metadata"]["labels"]["bookstore.dev/revision"]
        with self._lock:
            self.asked.append(revision)
            now = time.monotonic()
            last, requests, errors = self._counts.get(uid, (now, 0.0, 0.0))
            new = (now - last) * self.per_second
            requests, errors = requests + new, errors + new * self.errors.get(revision, 0.0) / 100
            self._counts[uid] = (now, requests, errors)
        return page(revision=int(revision), requests=int(requests), errors=int(errors))


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        simulation = self.server.simulation
        if url.path == "/version":
            found = simulation.version() if simulation.version else None
        else:
            found = simulation.answer(url.hostname or "")
        self.send_response(200 if found else 502)
        self.end_headers()
        self.wfile.write((found or "no such Pod").encode())

    def log_message(self, *_: object) -> None: ...


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, simulation: Simulation) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.simulation = simulation


@contextmanager
def answering(simulation: Simulation) -> Iterator[str]:
    """Serve the Pods of a simulation; yield the URL of the proxy."""
    server = _Server(simulation)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
