"""HTTP as bytes on a socket: what no client library would send, and what really comes back."""

import json
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SECONDS = 20.0


@dataclass(frozen=True)
class Answer:
    """One response, as it was sent."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of a header that may be there once."""
        values = [value for key, value in self.headers if key == name]
        assert len(values) <= 1, f"{name} {len(values)} times"
        return values[0] if values else None

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


def connect(url: str, *, seconds: float = SECONDS) -> socket.socket:
    """Open a connection to a server."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    return socket.create_connection((parts.hostname, parts.port), timeout=seconds)


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


def exchange(url: str, *pieces: bytes) -> list[Answer]:
    """Send bytes, and return all the answers until the server closes the connection."""
    with connect(url) as connection:
        send(connection, pieces)
        return answers(read_to_end(connection))


def answers(received: bytes) -> list[Answer]:
    """Split what a server sent into its answers; each must tell its length."""
    found = []
    while received:
        head, end, received = received.partition(b"\r\n\r\n")
        assert end, f"no whole answer: {head!r}"
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(": ") for line in lines)
        headers = [(name, value) for name, _, value in pairs]
        length = next((int(value) for name, value in headers if name == "content-length"), 0)
        found.append(Answer(int(first.split()[1]), headers, received[:length]))
        assert len(received) >= length, "the answer is cut off"
        received = received[length:]
    return found


def has_read(pid: int, connections: Iterable[socket.socket]) -> bool:
    """Whether a server process has accepted all these and has read what was sent to it."""
    rows = Path(f"/proc/{pid}/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    unread_of = {}
    for row in rows:
        _, local, remote, _, queues, *_, inode = row.split()[:10]
        # What is not accepted yet has no inode.
        unread_of[local, remote] = int(queues.partition(":")[2], 16) or inode == "0"
    return not any(
        unread_of.get((_in_table(each.getpeername()), _in_table(each.getsockname())), True)
        for each in connections
    )


def _in_table(address: tuple[str, int]) -> str:
    return f"{int.from_bytes(socket.inet_aton(address[0]), 'little'):08X}:{address[1]:04X}"


class Memory:
    """The most memory a process has held since it was last asked to forget."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")

    def forget(self) -> None:
        """Begin anew with what it holds now."""
        (self._folder / "clear_refs").write_text("5", encoding="ascii")

    @property
    def peak(self) -> int:
        """In bytes."""
        status = (self._folder / "status").read_text(encoding="ascii", errors="replace")
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
