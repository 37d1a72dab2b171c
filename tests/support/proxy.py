"""A TCP proxy on loopback, between the API and a server: slow, silent or forgetful on demand."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

CHUNK_BYTES = 65536
START_SECONDS = 20


class Proxy:
    """Passes bytes on to a port of this machine. Its methods may be called from any thread."""

    def __init__(self, target_port: int) -> None:
        """Choose where to pass bytes to; `running_proxy` starts it."""
        self._target_port = target_port
        self._delay = 0.0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._connections: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._started = threading.Event()
        self._ended = asyncio.Event()
        self.round_trips = 0
        """How often clients have sent something after an answer, or first."""
        self._clients_turn = True
        self.resets = 0
        self._resets_next = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))
        self.port = 0

    def start(self) -> None:
        """Listen on a free port."""
        self._thread.start()
        assert self._started.wait(START_SECONDS)

    def slow_down(self, seconds: float) -> None:
        """Hold each chunk back for so long, in both directions: a round trip takes twice that."""
        self._delay = seconds

    def stall(self) -> None:
        """Pass nothing on; connections are accepted and stay open."""
        self._call(self._flowing.clear)

    def flow(self) -> None:
        """Pass everything on at once."""
        self._delay = 0.0
        self._call(self._flowing.set)

    def forget(self) -> None:
        """Never pass anything on over the connections there are, as a router that lost them."""
        self._call(self._forget)

    def reset_next_answer(self) -> None:
        """Pass on the first byte of what a server sends next, and reset the client's connection."""
        self._resets_next = True

    def disconnect(self) -> None:
        """Drop every connection there is; new ones are accepted."""
        self._call(self._disconnect)

    def close(self) -> None:
        """Stop listening and drop every connection."""
        if not self._loop.is_closed():
            self._call(self._ended.set)
            self._thread.join(START_SECONDS)
            self._loop.close()

    def _call(self, function: object) -> None:
        assert callable(function)
        done = threading.Event()

        def run() -> None:
            function()
            done.set()

        self._loop.call_soon_threadsafe(run)
        assert done.wait(START_SECONDS)

    def _disconnect(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    def _forget(self) -> None:
        for connection in self._connections:
            connection.cancel()

    async def _run(self) -> None:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._ended.wait()
        server.close()
        self._forget()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await asyncio.sleep(0)  # aborted transports close their sockets in the next round

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self._writers.add(writer)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self._connect(reader, writer)
            writer.transport.abort()
            self._writers.discard(writer)
        self._connections.discard(task)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flowing.wait()
        try:
            there = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            raise
        self._writers.add(there[1])
        pumps = {
            asyncio.create_task(self._pump(reader, there[1], of_client=True)),
            asyncio.create_task(self._pump(there[0], writer)),
        }
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
        there[1].transport.abort()
        self._writers.discard(there[1])

    async def _reset(self, writer: asyncio.StreamWriter, chunk: bytes) -> None:
        self._resets_next = False
        self.resets += 1
        writer.write(chunk[:1])
        await writer.drain()
        own = writer.transport.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, of_client: bool = False
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                self.round_trips += of_client and self._clients_turn
                self._clients_turn = not of_client
                await self._flowing.wait()
                if self._resets_next and not of_client:
                    await self._reset(writer, chunk)
                    return
                if self._delay:
                    await asyncio.sleep(self._delay)
                writer.write(chunk)
                await writer.drain()


@contextmanager
def running_proxy(target_port: int) -> Iterator[Proxy]:
    """Start a proxy to a port of this machine."""
    proxy = Proxy(target_port)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.close()
