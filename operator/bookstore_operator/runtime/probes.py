"""Tell whether the process is well: to probes by HTTP, and to itself by a watchdog."""

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
    """What the parts of the operator say of themselves."""

    listed: bool = False
    """All watched kinds were listed completely."""
    leading: bool = False
    fatal: str = ""
    """Why the process is about to end."""

    def answer(self, path: str) -> tuple[HTTPStatus, dict[str, object]]:
        """Say what a probe of that path is told."""
        told: dict[str, object] = {"listed": self.listed, "leading": self.leading}
        if self.fatal:
            told["fatal"] = self.fatal
        well = {"/livez": not self.fatal, "/readyz": not self.fatal and self.listed}
        if path not in well:
            return HTTPStatus.NOT_FOUND, {"paths": sorted(well)}
        return (HTTPStatus.OK if well[path] else HTTPStatus.SERVICE_UNAVAILABLE), told


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
            pass  # a prober that went away or talks nonsense
        finally:
            writer.close()

    server = await asyncio.start_server(connected, host, port, limit=8192)
    logger.info("Serving health probes on port %d.", server.sockets[0].getsockname()[1])
    return server


def _response(health: Health, request_line: bytes) -> bytes:
    parts = request_line.decode("ascii", "replace").split()
    path = parts[1].partition("?")[0] if len(parts) >= 2 else ""
    status, told = health.answer(path)
    body = json.dumps(told).encode() + b"\n"
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


class Watchdog:
    """Ends a process whose event loop hangs: where no kubelet probes, nobody else would.

    It counts checks that were missed, not seconds: so a process that was stopped for a while, or a
    laptop that slept, is not taken for a hung one.
    """

    def __init__(self) -> None:
        self._beats = 0

    async def beat(self) -> None:
        """Show that the loop runs, for ever."""
        while True:
            self._beats += 1
            await asyncio.sleep(1)

    def start(self) -> None:
        """Start checking, on a thread of its own."""
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
