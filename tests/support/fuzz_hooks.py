"""What Schemathesis loads when it fuzzes the API: values that are valid, and checks of our own."""

import json
from typing import Any

import schemathesis
from hypothesis import strategies as st

from bookstore_api.kit.money import DECIMALS
from bookstore_api.shop.catalog.isbn import make_isbn

schemathesis.openapi.format("isbn", st.integers(0, 10**9 - 1).map(make_isbn))
schemathesis.openapi.format("currency", st.sampled_from(sorted(DECIMALS)))


@schemathesis.check
def errors_are_problems(
    _context: schemathesis.CheckContext,
    response: schemathesis.Response,
    case: schemathesis.Case[Any],
) -> None:
    """Every error is a problem (RFC 9457) that tells its own status."""
    if response.status_code < 400 or case.method == "HEAD":
        return
    assert response.headers["content-type"] == ["application/problem+json"], response.headers
    problem = json.loads(response.content)
    assert problem["status"] == response.status_code
    if response.status_code == 422:
        assert problem["errors"]


@schemathesis.check
def answers_have_what_all_have(
    _context: schemathesis.CheckContext,
    response: schemathesis.Response,
    _case: schemathesis.Case[Any],
) -> None:
    """An id to ask about, and no word of the server's name."""
    assert response.headers["x-request-id"]
    assert "server" not in response.headers
