"""The clients, in a process of their own: they send requests and read answers as fast as they come.

    python -m tests.bench.http.load

Reads one job a line from standard input, as JSON, and writes one result a line.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import uvloop


@dataclass(frozen=True)
class Job:
    """So many requests, in turn from the list, over some connections that are kept."""

    port: int
    requests: Sequence[str]
    count: int
    connections: int
    status: int


@dataclass(frozen=True)
class Result:
    """How it went; latencies in milliseconds."""

    seconds: float
    p50: float
    p95: float
    p99: float
    received: int


class _Run:
    """One job while it runs."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._raw = [text.encode() for text in job.requests]
        self._status = f"HTTP/1.1 {job.status} ".encode()
        self._sent = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.latencies: list[float] = []
        self.received = 0

    def next_request(self) -> bytes | None:
        """Return what to send next; None where all is sent."""
        if self._sent >= self._job.count:
            return None
        self._sent += 1
        return self._raw[self._sent % len(self._raw)]

    def fail(self, why: str) -> None:
        """End the job."""
        if not self.done.done():
            self.done.set_exception(RuntimeError(why))

    def note(self, answer: bytes, seconds: float) -> None:
        """Count an answer."""
        if not answer.startswith(self._status):
            self.fail(f"expected {self._status!r}, got {answer[:300]!r}")
            return
        self.received += len(answer)
        self.latencies.append(seconds)
        if len(self.latencies) == self._job.count and not self.done.done():
            self.done.set_result(None)


class _Client(asyncio.Protocol):
    """A connection: one request at a time."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._buffer = b""
        self._length = -1
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self._run.fail(f"the server closed the connection: {exc}")

    def _send(self) -> None:
        request = self._run.next_request()
        if request is not None:
            self._began = time.perf_counter()
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._length < 0:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self._length = end + 4 + _content_length(self._buffer[:end].lower())
        if len(self._buffer) >= self._length:
            answer, self._buffer, self._length = self._buffer, b"", -1
            self._run.note(answer, time.perf_counter() - self._began)
            self._send()


def _content_length(head: bytes) -> int:
    begin = head.find(b"\r\ncontent-length:")
    if begin < 0:
        return 0
    return int(head[begin + 17 :].split(b"\r\n", 1)[0])


async def run(job: Job) -> Result:
    """Do a job; raises RuntimeError for any answer but the expected ones."""
    loop = asyncio.get_running_loop()
    running = _Run(job)
    began = time.perf_counter()
    clients = [
        await loop.create_connection(lambda: _Client(running), "127.0.0.1", job.port)
        for _ in range(job.connections)
    ]
    await asyncio.wait_for(running.done, 300)
    seconds = time.perf_counter() - began
    for transport, _ in clients:
        transport.abort()
    ordered = sorted(running.latencies)

    def percentile(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 3)

    return Result(seconds, percentile(0.5), percentile(0.95), percentile(0.99), running.received)


def main() -> None:
    """Do the jobs of standard input."""
    for line in sys.stdin:
        fields: dict[str, Any] = json.loads(line)
        try:
            answer = asdict(uvloop.run(run(Job(**fields))))
        except (RuntimeError, OSError, TimeoutError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
