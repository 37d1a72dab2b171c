"""The health server, over real connections."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bookstore_operator.runtime import probes
from bookstore_operator.runtime.probes import Health, serve

pytestmark = pytest.mark.scenario


@asynccontextmanager
async def served(health: Health) -> AsyncIterator[int]:
    """Serve in the block and yield the port; stopping takes a second at most."""
    runner = await serve(health, "127.0.0.1", 0)
    try:
        yield runner.addresses[0][1]
    finally:
        await asyncio.wait_for(runner.cleanup(), 1.5)


async def exchange(port: int, request: str, host: str = "127.0.0.1") -> tuple[str, str]:
    """Send a request and return the response's head and body."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(request.encode())
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return head, body


def ask(health: Health, request: str) -> tuple[str, str]:
    async def scenario() -> tuple[str, str]:
        async with served(health) as port:
            return await exchange(port, f"{request}\r\nHost: x\r\nConnection: close\r\n\r\n")

    return asyncio.run(scenario())


LISTED = {"listed": True, "leading": False}
FATAL = LISTED | {"fatal": "a watch died"}


@pytest.mark.parametrize(
    ("health", "path", "status", "body"),
    [
        (Health(), "/livez", 200, {"listed": False, "leading": False}),
        (Health(), "/readyz", 503, {"listed": False, "leading": False}),
        (Health(listed=True), "/readyz", 200, LISTED),
        (Health(listed=True), "/readyz?verbose", 200, LISTED),
        (Health(listed=True, leading=True), "/livez", 200, LISTED | {"leading": True}),
        (Health(listed=True, fatal="a watch died"), "/livez", 503, FATAL),
        (Health(listed=True, fatal="a watch died"), "/readyz", 503, FATAL),
        (Health(), "/else", 404, {"paths": ["/livez", "/metrics", "/readyz"]}),
    ],
)
def test_a_probe_gets_status_and_state(
    health: Health, path: str, status: int, body: dict[str, object]
) -> None:
    head, text = ask(health, f"GET {path} HTTP/1.1")
    assert head.startswith(f"HTTP/1.1 {status} ")
    assert "Content-Type: application/json" in head
    assert json.loads(text) == body
    head_alone, nothing = ask(health, f"HEAD {path} HTTP/1.1")
    assert head_alone.startswith(f"HTTP/1.1 {status} ")
    assert nothing == ""


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("POST /livez HTTP/1.1", 405),
        ("\x00\x01 no HTTP", 400),
        (f"GET /{'x' * 10_000} HTTP/1.1", 400),
    ],
)
def test_another_request_is_rejected(request_line: str, status: int) -> None:
    head, _ = ask(Health(), request_line)
    assert head.partition(" ")[2].startswith(f"{status} ")


def test_a_client_that_sends_no_request_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_IDLE_SECONDS", 0.05)

    async def scenario() -> tuple[str, str]:
        async with served(Health()) as port:
            return await asyncio.wait_for(exchange(port, "GET /livez HTTP/1.1\r\nHo"), 5)

    assert asyncio.run(scenario()) == ("", "")


def test_open_connections_do_not_delay_the_stop() -> None:
    async def scenario() -> bytes:
        async with served(Health()) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"}")
        rest = await reader.read()
        writer.close()
        return rest

    assert asyncio.run(scenario()) == b""


def test_only_one_process_gets_a_port() -> None:
    async def scenario() -> None:
        async with served(Health()) as port:
            with pytest.raises(OSError, match="in use"):
                await serve(Health(), "127.0.0.1", port)

    asyncio.run(scenario())


@pytest.mark.parametrize("has_ipv6", [True, False])
def test_probes_are_answered_on_both_families_where_there_are_both(
    monkeypatch: pytest.MonkeyPatch, has_ipv6: bool
) -> None:
    hosts = ["127.0.0.1"] + (["::1"] if has_ipv6 and socket.has_dualstack_ipv6() else [])
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: "::1" in hosts)

    async def scenario() -> list[str]:
        runner = await serve(Health(), "::", 0)
        port = runner.addresses[0][1]
        request = "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        heads = [(await exchange(port, request, host))[0] for host in hosts]
        await runner.cleanup()
        return heads

    assert all(head.startswith("HTTP/1.1 200") for head in asyncio.run(scenario()))
