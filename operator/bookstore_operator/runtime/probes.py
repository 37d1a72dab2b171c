"""Report the health of the process to probes, and its metrics, by HTTP."""

import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from aiohttp import web

from bookstore_operator.runtime.metrics import CONTENT_TYPE

logger = logging.getLogger(__name__)

_IDLE_SECONDS = 5
_STOP_SECONDS = 0.5


@dataclass(slots=True)
class Health:
    """The state of the operator's parts."""

    listed: bool = False
    """All watched kinds were listed completely."""
    leading: bool = False
    fatal: str = ""
    """Why the process is about to exit; empty while it runs."""
    unavailable: Mapping[str | None, str] = field(default_factory=dict)
    """The watched namespaces that are not served, and why; None if none is."""

    def answer(self, path: str) -> tuple[HTTPStatus, dict[str, object]]:
        """Return the status and the JSON body of the response to a probe."""
        body: dict[str, object] = {"listed": self.listed, "leading": self.leading}
        if self.unavailable:
            body["unavailableNamespaces"] = {
                name or "*": why for name, why in self.unavailable.items()
            }
        if self.fatal:
            body["fatal"] = self.fatal
        healthy = {"/livez": not self.fatal, "/readyz": not self.fatal and self.listed}
        if path not in healthy:
            return HTTPStatus.NOT_FOUND, {"paths": sorted({*healthy, "/metrics"})}
        return (HTTPStatus.OK if healthy[path] else HTTPStatus.SERVICE_UNAVAILABLE), body


async def _no_metrics() -> bytes:
    return b""


async def serve(
    health: Health,
    host: str,
    port: int,
    metrics: Callable[[], Awaitable[bytes]] = _no_metrics,
) -> web.AppRunner:
    """Answer GET and HEAD of /livez, /readyz and /metrics until cleaned up.

    Args:
        health: the answer to probes.
        host: the address to listen on.
        port: the port; 0 takes any free one.
        metrics: returns the page of metrics.

    Raises:
        OSError: the port is taken.

    """

    async def probe(request: web.Request) -> web.Response:
        status, body = health.answer(request.path)
        return web.json_response(body, status=status)

    async def scrape(_: web.Request) -> web.Response:
        return web.Response(body=await metrics(), headers={"Content-Type": CONTENT_TYPE})

    app = web.Application()
    app.router.add_get("/metrics", scrape)
    app.router.add_get("/{path:.*}", probe)
    runner = web.AppRunner(
        app, access_log=None, keepalive_timeout=_IDLE_SECONDS, shutdown_timeout=_STOP_SECONDS
    )
    await runner.setup()
    await web.SockSite(runner, _listen(host, port)).start()
    logger.info("Serving health probes on port %d.", runner.addresses[0][1])
    return runner


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; `::` means all addresses, of both families where there are both.

    asyncio would restrict a socket of `::` to IPv6 (IPV6_V6ONLY).
    """
    if host == "::":
        if socket.has_dualstack_ipv6():
            return socket.create_server((host, port), family=socket.AF_INET6, dualstack_ipv6=True)
        host = "0.0.0.0"  # noqa: S104 - the kubelet probes from outside the Pod
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return socket.create_server(address[:2], family=family)
