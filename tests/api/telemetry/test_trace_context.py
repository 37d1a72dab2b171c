"""The id and the trace of a request: what is taken from headers, kept, and passed on."""

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookstore_api.telemetry.trace_context import (
    RequestContext,
    Trace,
    current,
    new_request_id,
    outgoing_headers,
    parse_traceparent,
    sane_request_id,
    working_for,
)

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
VALID = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    "value", ["r-1", "4f6d", "a" * 64, "6b0a5f6e-2f5c-4d43-9d8f-7d5a3f1f7a11", "A_b-9"]
)
def test_a_sane_id_is_taken(value: str) -> None:
    assert sane_request_id([value.encode()]) == value


@pytest.mark.parametrize(
    "value",
    [
        b"", b"a" * 65, b"a b", b"a\n", b"a\r\nx: y", b"\xff", "ä".encode(), b"a@example.org",
        b"192.0.2.1", b"2001:db8::1", b"eyJh.eyJi.c2ln", b"../x", b"<script>", b"a\x00",
    ],
)  # fmt: skip
def test_any_other_id_is_not(value: bytes) -> None:
    assert sane_request_id([value]) is None


def test_of_two_ids_neither_is_taken() -> None:
    assert sane_request_id([b"r-1", b"r-1"]) is None
    assert sane_request_id([]) is None


def test_ids_that_are_made_are_sane_and_differ() -> None:
    ids = {new_request_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(sane_request_id([each.encode()]) for each in ids)


@pytest.mark.parametrize(
    ("value", "sampled"),
    [
        (VALID, True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-03", True),  # a flag that we don't know
        (f"cc-{TRACE}-{SPAN}-01", True),  # a version that we don't know
        (f"cc-{TRACE}-{SPAN}-01-what comes then", True),
    ],
)
def test_a_valid_traceparent_is_read(value: str, sampled: bool) -> None:
    trace = parse_traceparent([value.encode()])
    assert trace == Trace(TRACE, SPAN, sampled)
    assert trace.header == f"00-{TRACE}-{SPAN}-0{int(sampled)}"
    assert parse_traceparent([trace.header.encode()]) == trace


@pytest.mark.parametrize(
    "value",
    [
        "", "00", VALID.upper(), VALID + "-", VALID + "-00", VALID + " ", VALID + "\n", " " + VALID,
        VALID.replace("00-", "ff-", 1), VALID.replace("00-", "0-", 1), VALID.replace("-", "_"),
        f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}0-{SPAN}-01", f"00-{TRACE}-{SPAN}-1", f"00-{TRACE}-{SPAN}-0g",
        f"cc-{TRACE}-{SPAN}-01x", f"00-{TRACE}-{SPAN}",
    ],
)  # fmt: skip
def test_a_wrong_traceparent_is_none(value: str) -> None:
    assert parse_traceparent([value.encode()]) is None


def test_of_two_traceparents_neither_is_read() -> None:
    assert parse_traceparent([VALID.encode()] * 2) is None


@given(st.binary() | st.text(alphabet="0123456789abcdef-", max_size=60).map(str.encode))
def test_whatever_is_sent_is_read_or_not(value: bytes) -> None:
    trace = parse_traceparent([value])
    if trace is not None:
        assert parse_traceparent([trace.header.encode()]) == trace
    request_id = sane_request_id([value])
    assert request_id is None or request_id.encode() == value


def test_what_belongs_to_a_request_is_passed_on() -> None:
    assert outgoing_headers() == {}
    with working_for(RequestContext("r-1")):
        assert outgoing_headers() == {"x-request-id": "r-1"}
    with working_for(RequestContext("r-2", parse_traceparent([VALID.encode()]))):
        assert outgoing_headers() == {"x-request-id": "r-2", "traceparent": VALID}
    assert outgoing_headers() == {}


def test_a_request_within_another_ends_alone() -> None:
    with working_for(RequestContext("outer")) as outer:
        with pytest.raises(ValueError, match="inner"), working_for(RequestContext("inner")):
            raise ValueError("inner")
        assert current() is outer
    assert current() is None


def test_what_outlives_its_request_works_for_none() -> None:
    """As a pooled connection does, whose callbacks keep the context that it was opened in."""

    async def run() -> RequestContext | None:
        ended = asyncio.Event()

        async def outlive() -> RequestContext | None:
            assert (context := current()) is not None
            assert context.request_id == "r-1"
            await ended.wait()
            return current()

        with working_for(RequestContext("r-1")):
            task = asyncio.create_task(outlive())
            await asyncio.sleep(0)
        ended.set()
        return await task

    assert asyncio.run(run()) is None


def test_tasks_at_once_work_for_their_own_and_threads_for_whose_task_it_is() -> None:
    barrier = threading.Barrier(4, timeout=30)

    def in_a_thread() -> str:
        barrier.wait()  # all four at once
        context = current()
        return context.request_id if context else ""

    async def one(request_id: str) -> tuple[str, str]:
        with working_for(RequestContext(request_id)):
            seen = await asyncio.to_thread(in_a_thread)
            context = current()
        assert current() is None
        return seen, context.request_id if context else ""

    async def run() -> list[tuple[str, str]]:
        return await asyncio.gather(*(one(f"r-{number}") for number in range(4)))

    assert asyncio.run(run()) == [(f"r-{number}", f"r-{number}") for number in range(4)]
