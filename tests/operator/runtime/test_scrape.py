"""Measurements, taken from real servers that answer right, wrong, too much, or never."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp import web

from bookstore_operator.core.measurements import (
    KeyScrape,
    LoadedKeys,
    Measurement,
    NoData,
    PodScrape,
    PrometheusQuery,
    Reading,
    Result,
    Unreadable,
    Value,
)
from bookstore_operator.kube.object_cache import StoreKey
from bookstore_operator.runtime import scrape
from bookstore_operator.runtime.scrape import Client, Measurer
from tests.support.metrics_page import page

pytestmark = pytest.mark.scenario

KEY = StoreKey("shop", "demo")
POD = PodScrape("uid-1", "demo-green-1", "10.1.2.3", slow_seconds=1.0)
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(answer: Answer) -> AsyncIterator[str]:
    """Yield the URL of a server, which the tests use as the proxy that reaches Pods."""
    writers: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await answer(reader, writer)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
            with suppress(ConnectionError):
                await writer.wait_closed()


def answering(*bodies: str, head: str = "200 OK", seen: list[str] | None = None) -> Answer:
    """Return a server that answers with these bodies in turn, one on each connection."""
    turn = iter(bodies)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if seen is not None:
            seen.append(request.decode())
        body = next(turn).encode()
        length = f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(f"HTTP/1.1 {head}\r\n{length}".encode() + body)
        await writer.drain()
        writer.close()

    return answer


def measure(answer: Answer, measurement: Measurement = POD) -> Result:
    async def take() -> Result:
        async with listening(answer) as url, Client(proxy=url) as client:
            return await client.take(measurement)

    return asyncio.run(take())


def cause(result: Result) -> str:
    assert isinstance(result, Unreadable)
    return result.cause


def test_a_pod_is_read_through_the_proxy() -> None:
    seen: list[str] = []
    result = measure(answering(page(revision=7, requests=10, errors=2, slow=1), seen=seen))
    assert isinstance(result, Reading)
    assert (result.requests, result.errors, result.slow, result.revision) == (10, 2, 1, "7")
    assert seen[0].startswith("GET http://10.1.2.3:8001/metrics HTTP/1.1")
    assert "Accept-Encoding: identity" in seen[0]


def test_a_proxy_may_be_named_and_be_on_the_operators_own_machine() -> None:
    async def take() -> Result:
        async with listening(answering(page(revision=7))) as url:
            named = url.replace("127.0.0.1", "localhost")
            async with Client(proxy=named) as client:
                return await client.take(POD)

    assert isinstance(asyncio.run(take()), Reading)


def test_an_ipv6_pod_is_read() -> None:
    seen: list[str] = []
    pod = PodScrape("uid-1", "demo-green-1", "fd00::1", slow_seconds=1.0)
    measure(answering(page(revision=7), seen=seen), pod)
    assert seen[0].startswith("GET http://[fd00::1]:8001/metrics")


def test_a_pod_whose_processes_answer_in_turn_is_named() -> None:
    pages = [page(revision=7, process=start) for start in (1.7e9, 1.7e9 + 0.02, 1.7e9)]
    pod = PodScrape("uid-1", "demo-green-1", "10.1.2.3", slow_seconds=1.0, times=3)
    assert "one process a Pod" in cause(measure(answering(*pages), pod))


def test_a_status_that_is_no_page_is_named() -> None:
    assert "status 503" in cause(measure(answering("no", head="503 Service Unavailable")))
    moved = answering("", head="302 Found\r\nLocation: http://elsewhere/")
    assert "status 302" in cause(measure(moved)), "no redirect is followed"


def test_an_answer_of_any_size_is_cut_off() -> None:
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n")
        try:
            while sent < 100 * 2**20:
                writer.write(b"#" * 2**16)
                sent += 2**16
                await writer.drain()
        except ConnectionError:
            pass

    assert "more than 4194304 bytes" in cause(measure(flood))
    assert sent < 50 * 2**20


def test_a_pod_that_never_answers_costs_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrape, "_LONGEST_SECONDS", 0.2)

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await writer.wait_closed()

    assert "NetworkPolicy" in cause(measure(hang))


def test_a_connection_closed_without_an_answer_names_strict_mtls() -> None:
    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    assert "strict mTLS" in cause(measure(close))


def test_a_refused_connection_is_named() -> None:
    async def take() -> Result:
        async with listening(answering()) as url:
            pass
        async with Client(proxy=url) as client:
            return await client.take(POD)

    assert "refused" in cause(asyncio.run(take()))


def test_a_pod_without_an_address_is_not_asked() -> None:
    pod = PodScrape("uid-1", "demo-green-1", "", slow_seconds=1.0)
    assert "no IP address" in cause(measure(answering(), pod))


@pytest.mark.parametrize(
    ("result", "expected"), [([], NoData), ([{"metric": {}, "value": [1.0, "3"]}], Value)]
)
def test_a_prometheus_is_asked_over_its_http_api(
    result: list[object], expected: type[Result]
) -> None:
    asked: list[str] = []

    async def query(request: web.Request) -> web.Response:
        asked.append(request.query["query"])
        data = {"resultType": "vector", "result": result}
        return web.Response(text=json.dumps({"status": "success", "data": data}))

    async def take() -> Result:
        app = web.Application()
        app.router.add_get("/prometheus/api/v1/query", query)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        expression = 'sum(a{b="c+d & e"}) or vector(0)'
        async with Client(prometheus_hosts=["127.0.0.1"]) as client:
            url = f"http://127.0.0.1:{port}/prometheus/"
            outcome = await client.take(PrometheusQuery(url, expression))
        await runner.cleanup()
        assert asked == [expression]
        return outcome

    assert isinstance(asyncio.run(take()), expected)


@pytest.mark.parametrize("host", ["localhost", "0x7f000001"], ids=["name", "number"])
def test_a_name_does_not_hide_an_address_that_is_not_asked(host: str) -> None:
    seen: list[str] = []

    async def take() -> Result:
        async with listening(answering("", seen=seen)) as url, Client() as client:
            port = url.rpartition(":")[2]
            return await client.take(PrometheusQuery(f"http://{host}:{port}", "up"))

    assert "--prometheus-hosts" in cause(asyncio.run(take()))
    assert seen == []


KEYS = KeyScrape("uid-1", "10.1.2.3")


def test_the_keys_of_a_pod_are_read() -> None:
    seen: list[str] = []
    answer = {"name": "bookstore-api", "signingKeys": ["a", "b"], "signingKey": "b"}
    result = measure(answering(json.dumps(answer), seen=seen), KEYS)
    assert isinstance(result, LoadedKeys)
    assert (result.kids, result.signing) == (frozenset({"a", "b"}), "b")
    assert seen[0].startswith("GET http://10.1.2.3:8001/version HTTP/1.1")


@pytest.mark.parametrize(
    ("body", "kids"), [("{}", None), ('{"signingKeys": [], "signingKey": null}', frozenset())]
)
def test_no_keys_and_no_accounts_are_told_apart(body: str, kids: frozenset[str] | None) -> None:
    result = measure(answering(body), KEYS)
    assert isinstance(result, LoadedKeys)
    assert (result.kids, result.signing) == (kids, None)


@pytest.mark.parametrize(
    "body",
    [
        *("", "[]", "null", "<html>", '{"signingKeys": "a"}', '{"signingKeys": [1]}'),
        *('{"signingKeys": null}', '{"signingKeys": ["a"], "signingKey": 7}', "[" * 9999),
        json.dumps({"signingKeys": [str(number) for number in range(9)]}),
    ],
)
def test_what_lists_no_keys_is_unreadable(body: str) -> None:
    assert "/version" in cause(measure(answering(body), KEYS))


def test_a_pod_without_an_address_is_not_asked_for_its_keys() -> None:
    assert "no IP address" in cause(measure(answering(), KeyScrape("uid-1", "")))


class Counting(Client):
    """Answers at once, with how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[str] = []

    async def take(self, measurement: Measurement) -> Result:
        assert isinstance(measurement, PodScrape)
        self.taken.append(measurement.uid)
        return Unreadable(self._now(), str(len(self.taken)))


def pod(uid: str) -> PodScrape:
    return PodScrape(uid, uid, "10.0.0.1", slow_seconds=1.0)


def test_measurements_are_repeated_until_no_plan_asks_for_them() -> None:
    async def play() -> None:
        client, notified = Counting(), asyncio.Queue[StoreKey]()
        measurer = Measurer(client, notified.put_nowait, poll_seconds=0.01)
        measurer.request(KEY, [pod("a"), pod("b")])
        for _ in range(2):
            assert await notified.get() == KEY
        assert sorted(client.taken[:4]) == ["a", "a", "b", "b"]
        assert measurer.results(KEY).keys() == {pod("a"), pod("b")}
        measurer.request(KEY, ())
        assert measurer.results(KEY) == {}
        count = len(client.taken)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(client.taken) == count

    asyncio.run(play())


def test_a_new_measurement_is_taken_at_once_and_a_dropped_one_forgotten() -> None:
    async def play() -> None:
        client, notified = Counting(), asyncio.Queue[StoreKey]()
        measurer = Measurer(client, notified.put_nowait, poll_seconds=3600)
        measurer.request(KEY, [pod("a")])
        await notified.get()
        measurer.request(KEY, [pod("b")])
        await notified.get()
        assert client.taken == ["a", "b"]
        assert measurer.results(KEY).keys() == {pod("b")}
        measurer.request(KEY, ())

    asyncio.run(play())
