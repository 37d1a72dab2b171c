"""A short walk through a running API, to see that it does what it is for."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import httpx

from bookstore_api.process.result import CommandResult
from bookstore_api.shop.catalog.isbn import make_isbn
from bookstore_api.telemetry.request_state import RequestState, outgoing_headers, working_for
from bookstore_api.telemetry.trace_context import new_request_id

TIMEOUT_SECONDS = 10.0
BOOKS = "/api/v1/books"


class SmokeError(Exception):
    """A step did not end as it should; the message says which and how."""


def walk_at(url: str, staff_token: str | None = None) -> CommandResult:
    """Create, read, list, change and delete a book of its own at `url`, with the token if any."""
    with working_for(RequestState(new_request_id())) as state:
        return _call(url, staff_token, state.request_id)


def _call(url: str, staff_token: str | None, request_id: str) -> CommandResult:
    authorization = {"Authorization": f"Bearer {staff_token}"} if staff_token else {}
    try:
        with httpx.Client(
            base_url=url,
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
            headers={**outgoing_headers(), **authorization},
        ) as client:
            walk(client)
    except SmokeError as error:
        message = f"{error} The API's log tells more under the request id {request_id}."
        return CommandResult("smoke", "failed", message)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        message = f"The API at the URL does not answer ({type(error).__name__}): is it running?"
        return CommandResult("smoke", "failed", message)
    return CommandResult("smoke", "passed", "Created, read, listed, changed and deleted a book.")


def walk(client: httpx.Client) -> None:
    """Walk; raises SmokeError and httpx.HTTPError."""
    book: dict[str, Any] = {
        "isbn": make_isbn(secrets.randbelow(10**9)),
        "title": "Smoke test",
        "authors": ["bookstore-api smoke"],
        "price": {"amount": "0.01", "currency": "EUR"},
    }
    with _book(client, book) as created:
        path = f"{BOOKS}/{created['id']}"
        _expect("read", client.get(path), HTTPStatus.OK, created)
        listed = client.get(BOOKS, params={"isbn": book["isbn"], "limit": 1})
        _expect("list", listed, HTTPStatus.OK, {"items": [created], "next": None})
        changed = client.patch(path, json={"title": "Smoke test, changed"})
        _expect("change", changed, HTTPStatus.OK)
    _expect("read after deletion", client.get(path), HTTPStatus.NOT_FOUND)


@contextmanager
def _book(client: httpx.Client, book: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Keep a book that is deleted again, also where the walk fails in between."""
    answer = client.post(BOOKS, json=book)
    _expect("create", answer, HTTPStatus.CREATED)
    created: dict[str, Any] = answer.json()
    try:
        yield created
    finally:
        deleted = client.delete(f"{BOOKS}/{created['id']}")
    _expect("delete", deleted, HTTPStatus.NO_CONTENT)


def _expect(
    step: str, answer: httpx.Response, status: HTTPStatus, body: dict[str, Any] | None = None
) -> None:
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        msg = f"{step}: the API wants another staff token than these settings have."
        raise SmokeError(msg)
    if answer.status_code != status:
        msg = f"{step}: status {answer.status_code} where {status.value} was expected."
        raise SmokeError(msg)
    if body is not None and answer.json() != body:
        msg = f"{step}: the answer does not say what was stored."
        raise SmokeError(msg)
