"""HTTP as bytes on a socket: what no client library would send, and what really comes back."""

import io
import json
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

SECONDS = 20.0


@dataclass(frozen=True)
class RawRequest:
    """A request as it goes over the wire."""

    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""

    def encode(self) -> bytes:
        """Return its bytes, with Content-Length and Host first."""
        lines = [b"%s %s HTTP/1.1" % (self.method, self.target), b"host: books"]
        if self.body:
            lines.append(b"content-length: %d" % len(self.body))
        lines += [b"%s: %s" % header for header in self.headers]
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.body


@dataclass(frozen=True)
class Answer:
    """One response, as it was sent; `whole` says that no part of it is missing."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    whole: bool

    def header(self, name: str) -> str | None:
        """The value of a header that may be there once."""
        values = [value for key, value in self.headers if key == name]
        assert len(values) <= 1, f"{name} {len(values)} times"
        return values[0] if values else None

    @property
    def request_id(self) -> str | None:
        """The id that the answer carries."""
        return self.header("x-request-id")

    @property
    def problem(self) -> dict[str, Any]:
        """The body of an error; anything but a problem fails."""
        assert self.header("content-type") == "application/problem+json", self
        problem: dict[str, Any] = json.loads(self.body)
        assert problem["status"] == self.status
        return problem

    @property
    def fields(self) -> list[str]:
        """Which parts of the request the problem names."""
        return [error["location"] for error in self.problem.get("errors", [])]


def connect(url: str, *, seconds: float = SECONDS, source: str | None = None) -> socket.socket:
    """Open a connection to a server, from an address of this machine if one is given."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    return socket.create_connection(
        (parts.hostname, parts.port), timeout=seconds, source_address=source and (source, 0)
    )


def send(connection: socket.socket, pieces: Iterable[bytes]) -> None:
    """Send what the server takes; that it stops taking is no failure."""
    with suppress(BrokenPipeError, ConnectionResetError):
        for piece in pieces:
            connection.sendall(piece)


def read_to_end(connection: socket.socket) -> bytes:
    """Read until the server closes; fails where that takes too long or it resets."""
    received = bytearray()
    while block := connection.recv(65536):
        received += block
    return bytes(received)


def read_answer(connection: socket.socket) -> Answer:
    """Read one answer and leave the connection open."""
    with connection.makefile("rb") as stream:
        answer = _read(stream)
    assert answer is not None, "no answer"
    return answer


def exchange(url: str, *pieces: bytes) -> list[Answer]:
    """Send bytes, and return all the answers until the server closes the connection."""
    with connect(url) as connection:
        send(connection, pieces)
        return answers(read_to_end(connection))


def answers(received: bytes) -> list[Answer]:
    """Split what a server sent into its answers; each must tell its length."""
    answers = list(iter(partial(_read, io.BytesIO(received)), None))
    for answer in answers:
        assert answer.whole, f"the answer is cut off: {answer}"
        assert answer.header("transfer-encoding") is None, f"no length: {answer}"
    return answers


def ask(url: str, requests: Sequence[RawRequest], *, source: str = "127.0.0.1") -> list[Answer]:
    """Send requests in one go on a connection of their own; the answers that came back.

    `source` is the address to send them from.
    """
    answers: list[Answer] = []
    with (
        connect(url, seconds=30, source=source) as connection,
        connection.makefile("rb") as stream,
        suppress(ConnectionError),  # who refuses a request may end so
    ):
        connection.sendall(b"".join(request.encode() for request in requests))
        for request in requests:
            answer = _read(stream, request.method)
            while answer is not None and answer.status < 200:
                answer = _read(stream, request.method)
            if answer is None:
                break
            answers.append(answer)
    return answers


def _read(stream: BinaryIO, method: bytes = b"GET") -> Answer | None:
    """Read one answer with its body, as far as it comes; None where there is no more."""
    if not (first := stream.readline()):
        return None
    headers = []
    while (line := stream.readline()).strip():
        name, _, value = line.decode("latin-1").removesuffix("\r\n").partition(": ")
        headers.append((name, value))
    fields, whole = dict(headers), line == b"\r\n"
    if fields.get("transfer-encoding") == "chunked":
        body = b"".join(iter(partial(_read_chunk, stream), b""))
    else:
        length = 0 if method == b"HEAD" else int(fields.get("content-length", 0))
        body = stream.read(length)
        whole &= len(body) == length
    return Answer(int(first.split()[1]), headers, body, whole)


def _read_chunk(stream: BinaryIO) -> bytes:
    """Read a chunk of a body; empty if it was the last."""
    size = int(stream.readline().strip() or b"0", 16)
    return stream.read(size + 2)[:size]


def refuses_connections(url: str) -> bool:
    """Whether a connection is refused, or reset in the moment when the socket closes."""
    try:
        connect(url).close()
    except OSError:
        return True
    return False


def has_read(pid: int, connections: Iterable[socket.socket]) -> bool:
    """Whether a server process has accepted all these and has read what was sent to it."""
    rows = Path(f"/proc/{pid}/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    unread_of = {}
    for row in rows:
        _, local, remote, _, queues, *_, inode = row.split()[:10]
        # What is not accepted yet has no inode.
        unread_of[local, remote] = int(queues.partition(":")[2], 16) or inode == "0"
    return not any(
        unread_of.get(
            (_in_table(connection.getpeername()), _in_table(connection.getsockname())), True
        )
        for connection in connections
    )


def _in_table(address: tuple[str, int]) -> str:
    return f"{int.from_bytes(socket.inet_aton(address[0]), 'little'):08X}:{address[1]:04X}"


class Memory:
    """The most memory a process has held since it was last asked to forget."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")

    def forget(self) -> None:
        """Begin again with what it holds now."""
        (self._folder / "clear_refs").write_text("5", encoding="ascii")

    @property
    def peak(self) -> int:
        """In bytes."""
        status = (self._folder / "status").read_text(encoding="ascii", errors="replace")
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
