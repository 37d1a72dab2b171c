"""Report the health of the process: to probes by HTTP, and to itself by a watchdog."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus

logger = logging.getLogger(__name__)

_REQUEST_SECONDS = 5
_CHECK_SECONDS = 5.0
_CHECKS_MISSED = 12


@dataclass(slots=True)
class Health:
    """The state of the operator's parts."""

    listed: bool = False
    """All watched kinds were listed completely."""
    leading: bool = False
    fatal: str = ""
    """Why the process is about to exit; empty while it runs."""

    def answer(self, path: str) -> tuple[HTTPStatus, dict[str, object]]:
        """Return the status and the JSON body of the response to a probe."""
        body: dict[str, object] = {"listed": self.listed, "leading": self.leading}
        if self.fatal:
            body["fatal"] = self.fatal
        healthy = {"/livez": not self.fatal, "/readyz": not self.fatal and self.listed}
        if path not in healthy:
            return HTTPStatus.NOT_FOUND, {"paths": sorted(healthy)}
        return (HTTPStatus.OK if healthy[path] else HTTPStatus.SERVICE_UNAVAILABLE), body


async def serve(health: Health, host: str, port: int) -> asyncio.Server:
    """Answer GET /livez and /readyz; `port` 0 takes any free one.

    Raises:
        OSError: the port is taken.

    """

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                request_line = await reader.readline()
                while (await reader.readline()).strip():
                    pass
                writer.write(_response(health, request_line))
                await writer.drain()
        except (TimeoutError, OSError, ValueError):
            pass  # the client disconnected or sent an invalid request
        finally:
            writer.close()

    server = await asyncio.start_server(connected, host, port, limit=8192)
    logger.info("Serving health probes on port %d.", server.sockets[0].getsockname()[1])
    return server


def _response(health: Health, request_line: bytes) -> bytes:
    parts = request_line.decode("ascii", "replace").split()
    path = parts[1].partition("?")[0] if len(parts) >= 2 else ""
    status, data = health.answer(path)
    body = json.dumps(data).encode() + b"\n"
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


class Watchdog:
    """Exits the process if its event loop is blocked, also where no kubelet probes it.

    It counts missed checks, not seconds, so that a process that was stopped for a while, or a
    laptop that slept, does not count as blocked.
    """

    def __init__(self) -> None:
        self._beats = 0

    async def beat(self) -> None:
        """Count a beat every second, for ever."""
        while True:
            self._beats += 1
            await asyncio.sleep(1)

    def start(self) -> None:
        """Start the thread that checks the beats."""
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def _watch(self) -> None:
        seen, missed = -1, 0
        while missed < _CHECKS_MISSED:
            time.sleep(_CHECK_SECONDS)
            missed = missed + 1 if self._beats == seen else 0
            seen = self._beats
        sys.stderr.write("The event loop was blocked for a minute: the operator exits.\n")
        sys.stderr.flush()
        os._exit(1)
