"""Stopping one of two processes under load costs no request, and always ends in time."""

import asyncio
import itertools
import json
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
import uvloop

from tests.support.bookstore import Process, StartProcess, wait_until
from tests.support.examples import FACTOR, scaled
from tests.support.raw import (
    answers,
    connect,
    has_read,
    read_to_end,
    refuses_connections,
    send,
)

BOOKS = "/api/v1/books"
# One in four asks the database: so the number of requests is reached on a busy machine too.
PATHS = itertools.cycle((f"{BOOKS}?limit=1", "/docs", "/docs", "/docs"))
REQUESTS = scaled(8_000)
BUSY_CLIENTS, PAUSING_CLIENTS, FRESH_CLIENTS = 10, 4, 4
PAUSE_SECONDS = 0.3
ANSWER_SECONDS = 30
DRAIN_SECONDS, SHUTDOWN_SECONDS = 4, 10
# What the operator leaves a process beyond these two before it is killed.
GRACE_SECONDS = 10


@dataclass(frozen=True)
class Reply:
    """What a client needs to know of an answer."""

    status: int
    closes: bool
    body: bytes


class Client:
    """A connection to one process."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def connect(cls, url: str) -> "Client":
        host, _, port = url.removeprefix("http://").rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    @property
    def usable(self) -> bool:
        """Whether the server has not closed it, as far as can be known before a request is sent."""
        return not self._reader.at_eof()

    async def ask(self, path: str) -> Reply:
        """Send a request and read the whole answer; whatever goes wrong is raised."""
        async with asyncio.timeout(ANSWER_SECONDS):
            self._writer.write(f"GET {path} HTTP/1.1\r\nhost: shop\r\n\r\n".encode())
            head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
            _, _, rest = head.partition(b"content-length: ")
            body = await self._reader.readexactly(int(rest.partition(b"\r\n")[0]))
        return Reply(int(head.split(maxsplit=2)[1]), b"\r\nconnection: close\r\n" in head, body)

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


@dataclass
class Service:
    """Sends clients to the processes that say that they are ready, as a Service of Kubernetes."""

    processes: list[Process]
    ready: list[Process] = field(default_factory=list)
    seen_ready: set[str] = field(default_factory=set)
    turn: int = 0

    async def watch(self) -> None:
        """Ask for readiness again and again."""
        while True:
            states = await asyncio.gather(*map(self._is_ready, self.processes))
            self.ready = [
                process for process, state in zip(self.processes, states, strict=True) if state
            ]
            await asyncio.sleep(0.1)

    async def _is_ready(self, process: Process) -> bool:
        try:
            client = await Client.connect(process.internal_url)
            reply = await client.ask("/readyz")
            await client.close()
        except (OSError, EOFError):
            return False
        if reply.status == 200:
            self.seen_ready.add(process.url)
            return True
        # On a busy machine the database answers late for once. Kubernetes asks again before it
        # acts on that; a process that drains is left at once.
        return process.url in self.seen_ready and b'"draining"' not in reply.body

    def next(self) -> Process:
        self.turn += 1
        return self.ready[self.turn % len(self.ready)]


async def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds, while the event loop goes on."""
    await asyncio.to_thread(wait_until, holds, what, seconds=240 * FACTOR)


@dataclass
class Load:
    """Clients of a service, and how they fared."""

    service: Service
    answered: Counter[str] = field(default_factory=Counter)
    asked_to_leave: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    ended: bool = False

    async def keep_alive(self, pause: float) -> None:
        """Use a connection until the server says that it closes it."""
        while not self.ended:
            client, process = await self._connect()
            while client is not None and client.usable and not self.ended:
                reply = await self._ask(client, process)
                if reply is None or reply.closes:
                    break
                await asyncio.sleep(pause)
            if client is not None:
                await client.close()

    async def fresh(self) -> None:
        """Open a connection for each request."""
        while not self.ended:
            client, process = await self._connect()
            if client is not None:
                await self._ask(client, process)
                await client.close()

    async def _connect(self) -> tuple[Client | None, Process]:
        process = self.service.next()
        try:
            return await Client.connect(process.url), process
        except OSError as error:
            self.failures.append(f"connect: {error!r}")
            return None, process

    async def _ask(self, client: Client, process: Process) -> Reply | None:
        try:
            reply = await client.ask(next(PATHS))
        except (OSError, EOFError) as error:
            self.failures.append(f"request: {error!r}")
            return None
        if reply.status != 200:
            self.failures.append(f"status {reply.status}")
        self.answered[process.url] += 1
        self.asked_to_leave[process.url] += reply.closes
        return reply

    async def reach(self, total: int) -> None:
        await until(lambda: self.answered.total() >= total, f"{total} answers")


@pytest.mark.invariant
def test_stopping_one_of_two_under_load_costs_no_request(
    start: StartProcess, migrated_postgres: str
) -> None:
    """8,000 requests over two stops, each followed by the start of a successor; more at night."""

    def start_one() -> Process:
        return start(
            migrated_postgres,
            drain_seconds=DRAIN_SECONDS,
            shutdown_seconds=SHUTDOWN_SECONDS,
            connection_max_age_seconds=5,
            rate_limit_reads="off",
            rate_limit_writes="off",
        )

    async def run() -> Load:
        service = Service(processes)
        load = Load(service)
        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(service.watch())
            await until(lambda: len(service.ready) == 2, "both to be ready")
            clients = [
                *(load.keep_alive(0) for _ in range(BUSY_CLIENTS)),
                *(load.keep_alive(PAUSE_SECONDS) for _ in range(PAUSING_CLIENTS)),
                *(load.fresh() for _ in range(FRESH_CLIENTS)),
            ]
            running = [tasks.create_task(client) for client in clients]
            for number, leaving in enumerate(list(processes)):
                await load.reach(2000 + number * REQUESTS // 2)
                await asyncio.to_thread(stop_with_a_request_in_flight, leaving, number)
                successor = await asyncio.to_thread(lambda: start_one().wait_until_serving())
                processes[number] = successor
            await load.reach(REQUESTS)
            latest = processes[-1].url
            await until(lambda: load.answered[latest] > 500, "the latest to take its part")
            load.ended = True
            await asyncio.wait(running)
            watch.cancel()
        return load

    processes = [start_one().wait_until_ready() for _ in range(2)]
    stopped = list(processes)
    load = uvloop.run(run())
    assert load.failures == []
    assert load.answered.total() >= REQUESTS
    for process in (*stopped, *processes):
        assert load.answered[process.url] > 0
    for process in stopped:  # once for each client that had a connection at the least
        assert load.asked_to_leave[process.url] > BUSY_CLIENTS // 2


def stop_with_a_request_in_flight(process: Process, number: int) -> None:
    """Stop it; a request that began before is finished when nobody is let in any more."""
    body = json.dumps(
        {
            "isbn": ("9780132350884", "9780441478125")[number],
            "title": "In flight",
            "authors": ["Somebody"],
            "price": {"amount": "1", "currency": "EUR"},
        }
    ).encode()
    head = f"POST {BOOKS} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    with connect(process.url) as connection:
        send(connection, [f"{head}content-length: {len(body)}\r\n\r\n".encode(), body[:20]])
        began = time.monotonic()
        process.signal(signal.SIGTERM)
        wait_until(lambda: refuses_connections(process.url), "the listening socket to go")
        assert time.monotonic() - began >= DRAIN_SECONDS
        send(connection, [body[20:]])
        [answer] = answers(read_to_end(connection))
    assert (answer.status, answer.header("connection")) == (201, "close")
    assert process.wait() == 0
    assert time.monotonic() - began < DRAIN_SECONDS + SHUTDOWN_SECONDS + GRACE_SECONDS


@pytest.fixture
def held() -> Iterator[list[socket.socket]]:
    """Connections that are closed after the test."""
    connections: list[socket.socket] = []
    yield connections
    for connection in connections:
        connection.close()


HEAD = f"POST {BOOKS} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n".encode()
BODY = HEAD + b"content-length: 1000\r\n\r\n{"


@pytest.mark.invariant
def test_a_request_whose_head_has_begun_is_answered(
    start: StartProcess, held: list[socket.socket]
) -> None:
    process = start(None, drain_seconds=0, shutdown_seconds=20).wait_until_ready()
    held.append(connect(process.url))
    head = f"GET {BOOKS} HTTP/1.1\r\nhost: x\r\n\r\n".encode()
    send(held[0], [head[:20]])
    wait_until(lambda: has_read(process.pid, held), "the server to have what was sent")
    process.signal(signal.SIGTERM)
    wait_until(lambda: refuses_connections(process.url), "the listening socket to go")
    send(held[0], [head[20:]])
    [answer] = answers(read_to_end(held[0]))
    assert (answer.status, answer.header("connection")) == (200, "close")
    assert process.wait() == 0


@pytest.mark.parametrize("internal", [False, True], ids=["public", "internal"])
@pytest.mark.parametrize("sent", [b"", HEAD, BODY], ids=["silent", "half a head", "half a body"])
def test_no_client_keeps_a_process_beyond_its_time(
    start: StartProcess, held: list[socket.socket], sent: bytes, internal: bool
) -> None:
    process = start(None, drain_seconds=0.5, shutdown_seconds=1, header_seconds=60)
    process.wait_until_ready()
    url = process.internal_url if internal else process.url
    held.extend(connect(url) for _ in range(3))
    for connection in held:
        send(connection, [sent])
    wait_until(lambda: has_read(process.pid, held), "the server to have what was sent")
    began = time.monotonic()
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert time.monotonic() - began < 0.5 + 1 + GRACE_SECONDS
    assert not any("exception" in line for line in process.lines())
    if sent == BODY and not internal:
        for connection in held:
            [answer] = answers(read_to_end(connection))
            assert answer.problem["status"] == 503
