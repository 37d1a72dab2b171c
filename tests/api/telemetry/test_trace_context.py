"""The id and the trace of a request: read from headers, or generated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookstore_api.telemetry.trace_context import (
    Trace,
    new_request_id,
    parse_traceparent,
    valid_request_id,
)

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
VALID = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    "value", ["r-1", "4f6d", "a" * 64, "6b0a5f6e-2f5c-4d43-9d8f-7d5a3f1f7a11", "A_b-9"]
)
def test_a_valid_request_id_is_accepted(value: str) -> None:
    assert valid_request_id([value.encode()]) == value


@pytest.mark.parametrize(
    "value",
    [
        b"", b"a" * 65, b"a b", b"a\n", b"a\r\nx: y", b"\xff", "ä".encode(), b"a@example.org",
        b"192.0.2.1", b"2001:db8::1", b"eyJh.eyJi.c2ln", b"../x", b"<script>", b"a\x00",
    ],
)  # fmt: skip
def test_an_invalid_request_id_is_rejected(value: bytes) -> None:
    assert valid_request_id([value]) is None


def test_two_request_ids_are_rejected() -> None:
    assert valid_request_id([b"r-1", b"r-1"]) is None
    assert valid_request_id([]) is None


def test_generated_ids_are_valid_and_differ() -> None:
    ids = {new_request_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(valid_request_id([made.encode()]) for made in ids)


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
def test_an_invalid_traceparent_is_rejected(value: str) -> None:
    assert parse_traceparent([value.encode()]) is None


def test_two_traceparents_are_rejected() -> None:
    assert parse_traceparent([VALID.encode()] * 2) is None


@given(st.binary() | st.text(alphabet="0123456789abcdef-", max_size=60).map(str.encode))
def test_any_header_is_read_or_rejected(value: bytes) -> None:
    trace = parse_traceparent([value])
    if trace is not None:
        assert parse_traceparent([trace.header.encode()]) == trace
    request_id = valid_request_id([value])
    assert request_id is None or request_id.encode() == value
