"""The line of a request is the same as any other line with its fields, only made faster."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookstore_api.telemetry.logging import log_request
from bookstore_api.telemetry.logging.lines import Logger
from bookstore_api.telemetry.pseudonyms import pseudonym
from bookstore_api.telemetry.request_state import RequestState, group_headers, working_for
from tests.support.log_lines import logging_to, validated

TRACEPARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
HEADERS = st.lists(
    st.sampled_from(
        [
            (b"x-request-id", b"a-client_s-own"),
            (b"x-request-id", b'"quoted"'),
            (b"traceparent", TRACEPARENT),
        ]
    ),
    max_size=3,
)


def lines(stream: Any) -> list[dict[str, Any]]:
    return [json.loads(text) for text in stream.getvalue().splitlines()]


@given(
    method=st.sampled_from(["GET", "POST", "(other)", "made up", "\ud800"]),
    route=st.sampled_from(["/api/v1/books/{book_id}", "(unmatched)", "/\u00e9", "x" * 5000, ""]),
    status=st.sampled_from([200, 304, 404, 499, 500, 7, -1]),
    duration=st.one_of(
        st.sampled_from([0.0, 1.23, 1e-9, 1e12, -1.0]),
        st.floats(0, 1e6, allow_nan=False).map(lambda number: round(number, 2)),
    ),
    client=st.sampled_from(["198.51.100.1", "2001:db8::1", "", "\ud800"]),
    error=st.sampled_from([None, "ValueError", "no name"]),
    headers=HEADERS,
    identity=st.sampled_from([{}, {"revision": "7", "color": "green"}, {"color": ""}]),
)
def test_a_request_line_is_as_any_other(  # noqa: PLR0917 - what is drawn
    method: str,
    route: str,
    status: int,
    duration: float,
    client: str,
    error: str | None,
    headers: list[tuple[bytes, bytes]],
    identity: dict[str, str],
) -> None:
    fields = {"method": method, "route": route, "status": status, "duration_ms": duration}
    shown = pseudonym(client) if client else None
    with logging_to(**identity) as stream:
        with working_for(RequestState.of(group_headers(headers))):
            log_request(method, route, status, duration, client, error)
            Logger.output.write(
                "bookstore_api.access",
                "info",
                "request",
                {**fields, "client": shown, "error": error},
                None,
            )
        fast, slow = lines(stream)
        if "dropped" not in fast:
            validated(stream.getvalue().splitlines())
        assert [*fast.items()][1:] == [*slow.items()][1:]
        assert len(fast["time"]) == len(slow["time"]) == len("2026-11-28T06:00:00.000000Z")
        assert fast["time"] <= slow["time"]


def test_outside_a_request_a_line_has_no_id() -> None:
    with logging_to() as stream:
        log_request("GET", "/", 200, 1.0, "", None)
        [line] = lines(stream)
    assert "request_id" not in line
    assert "client" not in line


@pytest.mark.parametrize("level", ["warning", "error"])
def test_the_level_is_asked_before_anything_is_computed(
    level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bookstore_api.telemetry.logging.access.pseudonym", None)
    with logging_to(log_level=level) as stream:
        log_request("GET", "/", 200, 1.0, "198.51.100.1", None)
        assert not stream.getvalue()


def test_a_console_gets_it_for_people() -> None:
    with logging_to(log_format="console") as stream:
        log_request("GET", "/", 200, 1.0, "198.51.100.1", None)
    with pytest.raises(json.JSONDecodeError):
        json.loads(stream.getvalue())
    assert "request" in stream.getvalue()
