"""An HTTP proxy before an object store, which fails requests as real stores do."""

import http.client
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

Fault = Callable[["Handler", bytes], bool]
_HOP = {"connection", "transfer-encoding", "keep-alive"}


class Handler(BaseHTTPRequestHandler):
    """Passes a request on, unless a fault takes it."""

    protocol_version = "HTTP/1.1"
    proxy: ClassVar["FaultyProxy"]

    def handle_any(self) -> None:
        """Read a request whole; let a fault answer it, or the server."""
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        fault = self.proxy.next_fault(self.command, self.path)
        if fault is not None and fault(self, body):
            return
        self.pass_on(body)

    do_GET = do_PUT = do_DELETE = do_HEAD = do_POST = handle_any  # noqa: N815

    def pass_on(self, body: bytes) -> None:
        """Ask the server, and pass its answer on."""
        server = http.client.HTTPConnection("127.0.0.1", self.proxy.target_port, timeout=30)
        try:
            server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                server.putheader(name, value)
            server.endheaders(body)
            answer = server.getresponse()
            self.answer(answer.status, answer.read(), dict(answer.getheaders()))
        finally:
            server.close()

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Send an answer."""
        self.send_response_only(status)
        given = headers or {"content-type": "application/xml"}
        for name, value in given.items():
            if name.lower() not in _HOP and (name.lower() != "content-length" or not body):
                self.send_header(name, value)
        if body or "content-length" not in {name.lower() for name in given}:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


class FaultyProxy:
    """Fails the next requests of a method by the faults it is given."""

    def __init__(self, target_port: int) -> None:
        """Choose the server; `faulty_proxy` starts it."""
        self.target_port = target_port
        self.requests: list[tuple[str, str]] = []
        self._faults: dict[str, deque[Fault]] = {}
        self._lock = threading.Lock()
        handler = type("Bound", (Handler,), {"proxy": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def fail(self, method: str, *faults: Fault) -> None:
        """Fail the next requests of a method, one fault each."""
        with self._lock:
            self._faults.setdefault(method, deque()).extend(faults)

    def next_fault(self, method: str, path: str) -> Fault | None:
        """Return the fault for a request."""
        with self._lock:
            self.requests.append((method, path))
            waiting = self._faults.get(method)
            return waiting.popleft() if waiting else None

    def serve(self) -> None:
        """Serve until `close`."""
        self._server.serve_forever(poll_interval=0.02)

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


def status(code: int, s3_code: str) -> Fault:
    """Answer with an error of S3."""

    def fault(handler: Handler, _: bytes) -> bool:
        text = f"<Error><Code>{s3_code}</Code><Message>{s3_code} by the test</Message></Error>"
        handler.answer(code, text.encode())
        return True

    return fault


def cut(handler: Handler, _: bytes) -> bool:
    """Close the connection without an answer."""
    handler.close_connection = True
    handler.connection.close()
    return True


def truncate(handler: Handler, body: bytes) -> bool:
    """Pass on the first half of a body as if it were all, and answer as the store does."""
    handler.headers.replace_header("content-length", str(len(body) // 2))
    handler.pass_on(body[: len(body) // 2])
    return True


def ok_but_lost(handler: Handler, _: bytes) -> bool:
    """Say that an object was stored, and store nothing."""
    handler.answer(200, b"", {"content-length": "0", "etag": '"0"'})
    return True


def nothing(_handler: Handler, _body: bytes) -> bool:
    """Let a request pass."""
    return False


@contextmanager
def faulty_proxy(target_port: int) -> Iterator[FaultyProxy]:
    """Start a proxy for the block."""
    proxy = FaultyProxy(target_port)
    thread = threading.Thread(target=proxy.serve)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
