"""Queries of Prometheus, and its answers: a number, no data, or a reason why there is none."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from bookstore_operator.core.measurements import NoData, Value
from bookstore_operator.core.prometheus import (
    ERRORS,
    REQUESTS,
    SLOW,
    UnreadableAnswerError,
    read_answer,
    render,
)

pytestmark = pytest.mark.scenario

AT = datetime(2026, 1, 1, tzinfo=UTC)


def answer(kind: str, result: Any) -> str:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}})


def series(value: str) -> dict[str, Any]:
    return {"metric": {}, "value": [1767225600.0, value]}


def test_a_vector_of_one_series_and_a_scalar_are_numbers() -> None:
    assert read_answer(200, answer("vector", [series("12.5")]), AT) == Value(AT, 12.5)
    assert read_answer(200, answer("scalar", [1767225600.0, "0"]), AT) == Value(AT, 0.0)


def test_an_empty_vector_is_no_zero() -> None:
    assert read_answer(200, answer("vector", []), AT) == NoData(AT)


@pytest.mark.parametrize(
    ("status", "text", "why"),
    [
        (200, answer("vector", [series("NaN")]), "returns NaN"),
        (200, answer("vector", [series("1"), series("2")]), "2 series: sum them up"),
        (200, answer("matrix", []), "a matrix, not a number"),
        (200, "<html>", "no API of Prometheus"),
        (200, "[" * 100_000, "no API of Prometheus"),
        (404, "not found", "status 404 is no API"),
        (
            400,
            json.dumps({"status": "error", "errorType": "bad_data", "error": "parse error"}),
            "bad_data: parse error",
        ),
    ],
)
def test_any_other_answer_is_unreadable(status: int, text: str, why: str) -> None:
    with pytest.raises(UnreadableAnswerError, match=why):
        read_answer(status, text, AT)


def test_the_default_queries_have_all_variables_filled_in() -> None:
    variables = {"namespace": "shop", "pods": "demo-green-.*", "seconds": "60", "slow": "1|1.0"}
    for template in (REQUESTS, ERRORS, SLOW):
        query = render(template, variables)
        assert "{{" not in query
        assert 'namespace="shop",pod=~"demo-green-.*"' in query
        assert query.count("(") == query.count(")")
    assert render("{{ other }}", variables) == "{{ other }}"
