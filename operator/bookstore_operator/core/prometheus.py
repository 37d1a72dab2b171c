"""The queries that a Prometheus is asked for a release's metrics, and its answers.

A query returns a count: of requests, of errors, of slow answers, within the last seconds. "No
series" and 0 are different outcomes. So the default for requests is 0 where Pods are scraped and
nobody has asked them anything, and it is empty where no Pod is scraped. A series that does not
exist yet counts as 0, for the API creates the series of a status with the first such answer.
"""

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bookstore_operator.core.measurements import NoData, Unreadable, Value

_PODS = 'namespace="{{ namespace }}",pod=~"{{ pods }}"'
_WITHIN = 'le=~"{{ slow }}"'
_DURATION = "bookstore_http_request_duration_seconds"


def _count(name: str, *matchers: str) -> str:
    """Return the query for the increase of a counter of the release's Pods.

    Not by increase(): a series first seen at 5 has none (prometheus/prometheus#1673).
    """
    series = f"{name}{{{','.join([_PODS, *matchers])}}}"
    before = f"sum({series} offset {{{{ seconds }}}}s) or vector(0)"
    return f"(sum(max_over_time({series}[{{{{ seconds }}}}s])) - ({before}))"


REQUESTS = f"{_count('bookstore_http_requests_total')} or 0 * sum(bookstore_build_info{{{_PODS}}})"
ERRORS = _count("bookstore_http_requests_total", 'status=~"5.."') + " or vector(0)"
SLOW = (
    f"({_count(_DURATION + '_count')} or vector(0))"
    f" - ({_count(_DURATION + '_bucket', _WITHIN)} or vector(0))"
)

_VARIABLE = re.compile(r"\{\{\s*([a-z]+)\s*\}\}")
VARIABLES = frozenset({"namespace", "store", "pods", "revision", "color", "seconds", "slow"})


class UnreadableAnswerError(ValueError):
    """An answer is not what the API of Prometheus returns; the message says how."""


def render(template: str, variables: Mapping[str, str]) -> str:
    """Return a query with its variables filled in; a name that is none stays as it is."""
    return _VARIABLE.sub(lambda match: variables.get(match[1], match[0]), template)


def read_answer(status: int, text: str, at: datetime) -> Value | NoData | Unreadable:
    """Return the result in an answer of /api/v1/query.

    Raises:
        UnreadableAnswerError: it is an error, or has no single number.

    """
    try:
        answer: Any = json.loads(text)
        if status != 200 or answer["status"] != "success":
            error = f"{answer['errorType']}: {answer['error']}"
            raise UnreadableAnswerError(f"Prometheus answers with status {status}, {error}")
        return _value(answer["data"], at)
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        if isinstance(error, UnreadableAnswerError):
            raise
        raise UnreadableAnswerError(
            f"what answers with status {status} is no API of Prometheus"
        ) from error


def _value(data: Any, at: datetime) -> Value | NoData:
    result = data["result"]
    if data["resultType"] == "vector":
        if not result:
            return NoData(at)
        if len(result) > 1:
            raise UnreadableAnswerError(
                f"the query returns {len(result)} series: sum them up to one"
            )
        sample = result[0]["value"]
    elif data["resultType"] == "scalar":
        sample = result
    else:
        raise UnreadableAnswerError(f"the query returns a {data['resultType']}, not a number")
    number = float(sample[1])
    if not math.isfinite(number):
        raise UnreadableAnswerError(f"the query returns {sample[1]}")
    return Value(at, number)
