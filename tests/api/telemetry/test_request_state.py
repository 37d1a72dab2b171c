"""The request that is being handled: in tasks and threads, in outgoing requests, and its end."""

import asyncio
import threading

import pytest

from bookstore_api.telemetry.request_state import (
    RequestState,
    current,
    group_headers,
    outgoing_headers,
    working_for,
)
from bookstore_api.telemetry.trace_context import parse_traceparent

VALID = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_headers_are_grouped_by_name_in_the_order_they_came() -> None:
    sent = [(b"accept", b"a"), (b"x-forwarded-for", b"1"), (b"accept", b"b")]
    assert group_headers(sent) == {b"accept": [b"a", b"b"], b"x-forwarded-for": [b"1"]}


def test_a_request_keeps_its_own_id_or_gets_a_new_one() -> None:
    own = RequestState.of(
        group_headers([(b"x-request-id", b"r-1"), (b"traceparent", VALID.encode())])
    )
    assert own.fields == {
        "request_id": "r-1",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "span_id": "00f067aa0ba902b7",
    }
    states = [RequestState.of({}), RequestState.of({b"x-request-id": [b"a", b"b"]})]
    assert len({state.request_id for state in states} - {"a", "b"}) == 2


def test_a_connection_has_an_age_only_where_the_server_gave_it_one() -> None:
    assert not RequestState.of({}).connection_expired
    assert RequestState.of({}, expires=0.0).connection_expired


def test_id_and_trace_are_passed_on() -> None:
    assert outgoing_headers() == {}
    with working_for(RequestState("r-1")):
        assert outgoing_headers() == {"x-request-id": "r-1"}
    with working_for(RequestState("r-2", parse_traceparent([VALID.encode()]))):
        assert outgoing_headers() == {"x-request-id": "r-2", "traceparent": VALID}
    assert outgoing_headers() == {}


def test_a_request_within_another_ends_alone() -> None:
    with working_for(RequestState("outer")) as outer:
        with pytest.raises(ValueError, match="inner"), working_for(RequestState("inner")):
            raise ValueError("inner")
        assert current() is outer
    assert current() is None


def test_a_task_that_outlives_its_request_has_none() -> None:
    """As a pooled connection does, whose callbacks keep the context that it was opened in."""

    async def run() -> RequestState | None:
        ended = asyncio.Event()

        async def outlive() -> RequestState | None:
            assert (context := current()) is not None
            assert context.request_id == "r-1"
            await ended.wait()
            return current()

        with working_for(RequestState("r-1")):
            task = asyncio.create_task(outlive())
            await asyncio.sleep(0)
        ended.set()
        return await task

    assert asyncio.run(run()) is None


def test_concurrent_tasks_and_their_threads_have_their_own_request() -> None:
    barrier = threading.Barrier(4, timeout=30)

    def in_a_thread() -> str:
        barrier.wait()  # all four at once
        context = current()
        return context.request_id if context else ""

    async def one(request_id: str) -> tuple[str, str]:
        with working_for(RequestState(request_id)):
            seen = await asyncio.to_thread(in_a_thread)
            context = current()
        assert current() is None
        return seen, context.request_id if context else ""

    async def run() -> list[tuple[str, str]]:
        return await asyncio.gather(*(one(f"r-{number}") for number in range(4)))

    assert asyncio.run(run()) == [(f"r-{number}", f"r-{number}") for number in range(4)]
