"""HTTP as bytes on a socket: what no well-behaved client would send."""

import contextlib
import http.client
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import urlsplit

SECONDS = 30.0


@dataclass(frozen=True)
class RawRequest:
    """A request as it goes over the wire."""

    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""

    def encode(self) -> bytes:
        """Return its bytes, with the length of its body and a host told first."""
        lines = [b"%s %s HTTP/1.1" % (self.method, self.target), b"host: books"]
        if self.body:
            lines.append(b"content-length: %d" % len(self.body))
        lines += [b"%s: %s" % header for header in self.headers]
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.body


@dataclass(frozen=True)
class RawAnswer:
    """What is looked at of an answer."""

    status: int
    request_id: str | None


def ask(url: str, requests: Sequence[RawRequest], *, source: str = "127.0.0.1") -> list[RawAnswer]:
    """Send requests in one go on a connection of their own; the answers that came back.

    `source` is the address to send them from.
    """
    parts = urlsplit(url)
    answers: list[RawAnswer] = []
    address = (parts.hostname or "", parts.port or 0)
    with (
        socket.create_connection(
            address, timeout=SECONDS, source_address=(source, 0)
        ) as connection,
        connection.makefile("rb") as stream,
        contextlib.suppress(ConnectionError),  # who refuses a request may end so
    ):
        connection.sendall(b"".join(request.encode() for request in requests))
        for request in requests:
            answer = _read(stream, request.method)
            if answer is None:
                break
            answers.append(answer)
    return answers


def _read(stream: BinaryIO, method: bytes) -> RawAnswer | None:
    """Read one answer with its body, as far as it comes; None where there is no more."""
    status = 100
    while status < 200:
        if not (line := stream.readline()):
            return None
        status = int(line.split()[1])
        headers = http.client.parse_headers(stream)
    if headers.get("transfer-encoding") == "chunked":
        while size := int(stream.readline().strip() or b"0", 16):
            stream.read(size + 2)
        stream.readline()
    elif method != b"HEAD":
        stream.read(int(headers.get("content-length", "0")))
    return RawAnswer(status, headers.get("x-request-id"))
