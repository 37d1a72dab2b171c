"""Runs both ports in one process, and ends it without a lost request."""

import asyncio
import contextlib
import math
import signal
import socket
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from typing import cast

import structlog
import uvicorn
from starlette.types import ASGIApp

from bookstore_api import __version__
from bookstore_api.process.drain import Drain
from bookstore_api.settings import Settings, SettingsError
from bookstore_api.web.server.listen import listen
from bookstore_api.web.server.protocol import LimitedProtocol, Limits

BACKLOG = 2048
# Longer than usual pools of clients keep an idle connection: who closes first should be they.
KEEP_ALIVE_SECONDS = 75
# The internal port closes after the public one, and nothing that takes long is asked there.
INTERNAL_SHUTDOWN_SECONDS = 1
ABORT_SECONDS = 1.0

log = structlog.stdlib.get_logger(__name__)


class QuietServer(uvicorn.Server):
    """A uvicorn server that leaves the signals to us: there are two servers in the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class StopRequests:
    """Signals that ask for the end: the first drains, the second hurries."""

    def __init__(self, on_stop: Callable[[], None]) -> None:
        """`on_stop` is called with each signal."""
        self._on_stop = on_stop
        self.stop = asyncio.Event()
        self.force = asyncio.Event()

    def listen(self, *, patient: bool) -> None:
        """Take SIGTERM and SIGINT; an impatient process hurries from the first SIGINT."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._request_stop)
        loop.add_signal_handler(
            signal.SIGINT, self._request_stop if patient else self._request_force
        )

    def _request_stop(self) -> None:
        self._on_stop()
        if self.stop.is_set():
            self.force.set()
        self.stop.set()

    def _request_force(self) -> None:
        self._on_stop()
        self.force.set()
        self.stop.set()


async def serve_both(
    public_app: ASGIApp,
    internal_app: ASGIApp,
    settings: Settings,
    drain: Drain,
    requests: StopRequests,
) -> None:
    """Serve both apps until a signal comes; raises SettingsError where a port can't be had."""
    with (
        _listen(settings.host, settings.port, "PORT") as public_socket,
        _listen(settings.internal_host, settings.internal_port, "INTERNAL_PORT") as own_socket,
    ):
        public = make_server(public_app, settings, origins=settings.cors_origins, counted=True)
        internal = make_server(internal_app, settings, shutdown_seconds=INTERNAL_SHUTDOWN_SECONDS)
        tasks = (
            asyncio.create_task(public.serve(sockets=[public_socket])),
            asyncio.create_task(internal.serve(sockets=[own_socket])),
        )
        _announce(settings, public_socket, own_socket)
        asked = asyncio.create_task(requests.stop.wait())
        # A server that ends unasked takes the process with it.
        await asyncio.wait({*tasks, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        drain.start()
        await _drain(settings.drain_seconds, public, requests)
        await _finish((public, internal), tasks, requests)


async def _drain(seconds: float, public: uvicorn.Server, requests: StopRequests) -> None:
    """Answer on, while the cluster stops sending requests here and clients leave."""
    log.info("draining", seconds=seconds, connections=len(public.server_state.connections))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(requests.force.wait(), seconds)


async def _finish(
    servers: tuple[uvicorn.Server, uvicorn.Server],
    tasks: tuple[asyncio.Task[None], asyncio.Task[None]],
    requests: StopRequests,
) -> None:
    """Close the public port, finish what is in flight, then do the same with the internal one."""
    force = asyncio.create_task(_force_exit(requests, servers))
    for server, task in zip(servers, tasks, strict=True):
        server.should_exit = True
        await asyncio.wait({task})
    force.cancel()
    await _abort_rest(servers)
    for task in tasks:
        task.result()
    log.info("stopped")


async def _force_exit(requests: StopRequests, servers: tuple[uvicorn.Server, ...]) -> None:
    """When asked to, wait for nobody: the connections that are left end with the process."""
    await requests.force.wait()
    for server in servers:
        server.force_exit = True


async def _abort_rest(servers: tuple[uvicorn.Server, ...]) -> None:
    """End what is left: the requests with an answer that says so, then the connections."""
    for server in servers:
        if tasks := set(server.server_state.tasks):
            for task in tasks:
                if not task.cancelling():  # uvicorn does so when the time is up, and not in a hurry
                    task.cancel()
            await asyncio.wait(tasks, timeout=ABORT_SECONDS)
        for connection in list(server.server_state.connections):
            cast("LimitedProtocol", connection).abort()
    await asyncio.sleep(0)  # the event loop tells them in its next turn


def make_server(
    app: ASGIApp,
    settings: Settings,
    *,
    shutdown_seconds: float | None = None,
    origins: Collection[str] = (),
    counted: bool = False,
) -> QuietServer:
    """Make a server that holds its clients to the limits of the settings.

    Pages of `origins` may read its own answers too: why it rejects a request. The metrics have the
    number of its connections if they are `counted`.
    Told to exit, it gives the requests in flight `shutdown_seconds`, or those of the settings.
    """
    protocol = partial(
        LimitedProtocol, limits=Limits.of(settings), origins=origins, counted=counted
    )
    if shutdown_seconds is None:
        shutdown_seconds = settings.shutdown_seconds
    return QuietServer(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # a layer of ours knows which proxies to believe
            lifespan="on",
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=math.ceil(shutdown_seconds),
            ws="none",
            http=cast("type[asyncio.Protocol]", protocol),  # it is only ever called
            # A pipelined request would else begin in the context of the one before it.
            reset_contextvars=True,
        )
    )


@contextmanager
def _listen(host: str, port: int, setting: str) -> Iterator[socket.socket]:
    """Open a listening socket; raises SettingsError naming the setting to change."""
    try:
        listener = listen(host, port, BACKLOG)
    except OSError as error:
        msg = (
            f"Can't listen on {host} port {port}: {error.strerror}. "
            f"Set BOOKSTORE_{setting} to another port, 0 for any free one."
        )
        raise SettingsError(msg) from None
    with listener:
        yield listener


def _announce(settings: Settings, public: socket.socket, internal: socket.socket) -> None:
    url = _url(public)
    log.info(
        "serving",
        url=url,
        docs=f"{url}/docs",
        internal_url=_url(internal),
        environment=settings.environment.value,
        version=__version__,
    )


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
