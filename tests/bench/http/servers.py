"""The processes of a measurement: servers, whose CPU time is read, and clients."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from tests.bench.http.load import Job, Result
from tests.support.ports import free_port

START_SECONDS = 60.0
TOKEN = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class Server:
    """A process that answers at a port, with the processes that work for it."""

    pid: int
    port: int
    internal_port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def counter(self, sample: str) -> float:
        """Return the value of one line of its metrics, such as `name{label="x"}`."""
        text = httpx.get(f"http://127.0.0.1:{self.internal_port}/metrics", timeout=20).text
        lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return float(lines.get(sample, 0))


def cpu_seconds(*pids: int) -> float:
    """Return the CPU time of processes so far, all their threads counted, in nanoseconds' steps."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def resident_megabytes(pid: int) -> float:
    """Return the memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def children(pid: int) -> list[int]:
    """Return the processes that a process has started: PostgreSQL has one a connection."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, found)]


@contextmanager
def server(folder: Path, command: Sequence[str], **settings: object) -> Iterator[Server]:
    """Run a server with settings of the API until the block ends."""
    port, internal = free_port(), free_port()
    given = {
        "port": port,
        "internal_port": internal,
        "secrets_dir": folder / "no-secrets",
        "staff_token": TOKEN,
        "log_format": "json",
        "rate_limit_reads": "100000000/hour",
        "rate_limit_writes": "100000000/hour",
        "connection_max_age_seconds": 86400,
        **settings,
    }
    environment = {f"BOOKSTORE_{name.upper()}": str(value) for name, value in given.items()}
    inherited = {name: value for name, value in os.environ.items() if "BOOKSTORE_" not in name}
    log = folder / f"server-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            env={**inherited, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        running = Server(process.pid, port, internal, log)
        _wait(running, process)
        yield running
    finally:
        process.terminate()
        process.wait(60)


def _wait(running: Server, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            if httpx.get(f"{running.url}/bench-ready", timeout=5).status_code < 500:
                return
        except httpx.TransportError:
            time.sleep(0.01)
    msg = f"the server does not start: {running.log.read_text()[-2000:]}"
    raise RuntimeError(msg)


class Clients:
    """The process with the clients."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.http.load"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, job: Job) -> Result:
        """Have a job done; raises RuntimeError where it failed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(job)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        answer = json.loads(line or '{"error": "the clients ended"}')
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return Result(**answer)

    def close(self) -> None:
        """End the process."""
        with self._process:  # which closes its pipes, and waits
            pass


@contextmanager
def clients() -> Iterator[Clients]:
    """Run the clients for the block."""
    running = Clients()
    try:
        yield running
    finally:
        running.close()


def request(path: str, headers: Mapping[str, str] | None = None) -> str:
    """Write a GET as a client sends it."""
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: shop.example.com",
        "User-Agent: bench/1",
        "Accept: application/json",
        "Accept-Encoding: gzip, deflate",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return "\r\n".join(lines) + "\r\n\r\n"
