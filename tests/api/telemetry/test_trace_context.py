"""The id and the trace of a request: what is taken from headers, and made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookstore_api.telemetry.trace_context import (
    Trace,
    new_request_id,
    parse_traceparent,
    sane_request_id,
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
