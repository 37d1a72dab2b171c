"""A short walk through a running API, to see that it does what it is for.

It leaves nothing behind. Its book has an ISBN that no publisher can have, so that a walk finds what
one before it has left that was killed. A book that is younger than a walk may take belongs to one
that is still running: it is waited for.
"""

import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import httpx

from bookstore_api.process.result import CommandResult
from bookstore_api.shop.catalog.isbn import make_isbn
from bookstore_api.telemetry.request_state import RequestState, outgoing_headers, working_for
from bookstore_api.telemetry.trace_context import new_request_id
from bookstore_api.web.middleware.revision import REVISION_HEADER

TIMEOUT_SECONDS = 10.0
LONGEST_WALK = timedelta(seconds=25)
LEFT_BEHIND_AFTER = timedelta(seconds=30)
"""Longer than a walk may take: an older book of this kind is one that nobody will delete."""
CONNECT_SECONDS = 10.0
"""How long the first connection may be refused: nodes learn of a Service's addresses later."""
CONNECTIONS = 10
"""How many connections are made to see which revision answers: each may reach another process."""
WRITES = 3
"""How many writes a walk makes. One more, which changes nothing, asks for the limit."""
LIMITED_SECONDS = 65
"""How long a walk waits in all for rate limits: for the next window of those by the minute."""
BOOKS = "/api/v1/books"
FOR_GOOD = {"permanently": "true"}
AUTHOR = "bookstore-api smoke"
# The prefix 979-99 belongs to no registration group of the International ISBN Agency.
ISBNS = tuple(make_isbn(999_999_990 + number) for number in range(10))
_POLL_SECONDS = 0.5
# What one process has written is read by way of another one at once.
_FRESH = {"Cache-Control": "no-cache"}


class SmokeError(Exception):
    """A step did not end as it should; the message says which and how."""


def walk_at(url: str, staff_token: str | None = None, revision: str | None = None) -> CommandResult:
    """Create, read, list, change and delete a book of its own at `url`, with the token if any.

    With a revision, every answer must be one of that revision.
    """
    with working_for(RequestState(new_request_id())) as state:
        return _call(url, staff_token, revision, state.request_id)


def _call(
    url: str, staff_token: str | None, revision: str | None, request_id: str
) -> CommandResult:
    authorization = {"Authorization": f"Bearer {staff_token}"} if staff_token else {}
    patience = _Patience(time.monotonic() + LIMITED_SECONDS)

    def client() -> httpx.Client:
        return httpx.Client(
            base_url=url,
            timeout=TIMEOUT_SECONDS,
            transport=_PatientTransport(patience),
            headers={**outgoing_headers(), **authorization, **_FRESH},
            event_hooks={"response": [] if revision is None else [_expect_revision(revision)]},
        )

    try:
        if revision is not None:
            _expect_everywhere(client)
        with client() as one:
            if not _may_write(one, patience):
                _expect("list", one.get(BOOKS, params={"limit": 1}), HTTPStatus.OK)
                return CommandResult("smoke", "passed", _LIMITED)
            walk(one)
    except SmokeError as error:
        message = f"{error} The API's log tells more under the request id {request_id}."
        return CommandResult("smoke", "failed", message)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        message = f"The API at the URL does not answer ({type(error).__name__}): is it running?"
        return CommandResult("smoke", "failed", message)
    return CommandResult("smoke", "passed", "Created, read, listed, changed and deleted a book.")


_LIMITED = (
    "Listed books only: BOOKSTORE_RATE_LIMIT_WRITES allows too few writes in a minute to create, "
    "change and delete a book."
)


@dataclass
class _Patience:
    """Until when rate limits are waited for (`time.monotonic`)."""

    end: float

    def wait(self, seconds: float) -> bool:
        """Wait, if that is not too long; returns whether it was waited for."""
        if time.monotonic() + seconds > self.end:
            return False
        time.sleep(seconds)
        return True


class _PatientTransport(httpx.HTTPTransport):
    """Sends a request again that was limited, after the time that the answer asks for.

    The limits are the shop's own: they say nothing of whether the API works.
    """

    def __init__(self, patience: _Patience) -> None:
        super().__init__(trust_env=False)
        self._patience = patience

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        while True:
            answer = super().handle_request(request)
            limited = answer.status_code == HTTPStatus.TOO_MANY_REQUESTS
            seconds = answer.headers.get("retry-after", "")
            if not limited or not seconds.isdecimal() or not self._patience.wait(int(seconds)):
                return answer
            answer.close()


def _may_write(client: httpx.Client, patience: _Patience) -> bool:
    """Whether the limit of writes leaves enough for a walk, so that it can delete its book.

    A deletion of what can't exist asks for the limit (draft-ietf-httpapi-ratelimit-headers).
    """
    answer = client.delete(f"{BOOKS}/0")
    left = re.search(r";r=(\d+);t=(\d+)", answer.headers.get("ratelimit", ""))
    policy = re.search(r";q=(\d+)", answer.headers.get("ratelimit-policy", ""))
    if left is None or policy is None or int(left[1]) >= WRITES:
        return True
    return int(policy[1]) >= WRITES and patience.wait(int(left[2]))


def _expect_revision(revision: str) -> Callable[[httpx.Response], None]:
    def check(answer: httpx.Response) -> None:
        answered = unquote(answer.headers.get(REVISION_HEADER, ""))
        if answered != revision:
            by = f"revision {answered}" if answered else "an API that names no revision"
            msg = f"{by} has answered where revision {revision} was expected."
            raise SmokeError(msg)

    return check


def _expect_everywhere(client: Callable[[], httpx.Client]) -> None:
    """See who answers, by a new connection each time; any answer of the API will do."""
    _wait_for_connection(client)
    for _ in range(CONNECTIONS):
        with client() as one:
            one.head(BOOKS, params={"limit": 1})


def _wait_for_connection(client: Callable[[], httpx.Client]) -> None:
    """Wait until a connection is accepted; raises httpx.ConnectError if none is for too long."""
    deadline = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            with client() as one:
                one.head(BOOKS, params={"limit": 1})
        except httpx.ConnectError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)
        else:
            return


def walk(client: httpx.Client) -> None:
    """Walk; raises SmokeError and httpx.HTTPError."""
    for isbn in _free_isbns(client):
        with _at_most(LONGEST_WALK, client), _deleted_afterwards(client, isbn) as book:
            answer = client.post(BOOKS, json=book)
            if answer.status_code == HTTPStatus.CONFLICT:
                continue  # another walk was faster
            _expect("create", answer, HTTPStatus.CREATED)
            _use(client, answer.json())
            return
    msg = f"create: all ISBNs of the smoke test, such as {ISBNS[0]}, belong to other books."
    raise SmokeError(msg)


def _use(client: httpx.Client, created: dict[str, Any]) -> None:
    path = f"{BOOKS}/{created['id']}"
    _expect("read", client.get(path), HTTPStatus.OK, created)
    listed = client.get(BOOKS, params={"isbn": created["isbn"], "limit": 1})
    _expect("list", listed, HTTPStatus.OK, {"items": [created], "next": None})
    changed = client.patch(path, json={"title": "Smoke test, changed"})
    _expect("change", changed, HTTPStatus.OK)
    _expect("delete", client.delete(path, params=FOR_GOOD), HTTPStatus.NO_CONTENT)
    _expect("read after deletion", client.get(path), HTTPStatus.NOT_FOUND)


def _free_isbns(client: httpx.Client) -> list[str]:
    """Return the ISBNs that no book has, in any order, once all other walks have ended or died."""
    free = [isbn for isbn in ISBNS if _is_free(client, isbn)]
    return secrets.SystemRandom().sample(free, len(free))


def _is_free(client: httpx.Client, isbn: str) -> bool:
    while books := _books(client, isbn):
        for book, age in books:
            if book["authors"] != [AUTHOR]:
                return False
            if age >= LEFT_BEHIND_AFTER:
                client.delete(f"{BOOKS}/{book['id']}", params=FOR_GOOD)
            else:
                time.sleep(_POLL_SECONDS)
    return True


def _books(client: httpx.Client, isbn: str) -> list[tuple[dict[str, Any], timedelta]]:
    """Return the books of an ISBN, with their ages by the clock of the API."""
    answer = client.get(BOOKS, params={"isbn": isbn})
    _expect("list", answer, HTTPStatus.OK)
    date = answer.headers.get("date")
    now = parsedate_to_datetime(date) if date else datetime.now(UTC)
    books: list[dict[str, Any]] = answer.json()["items"]
    return [(book, now - datetime.fromisoformat(book["created_at"])) for book in books]


@contextmanager
def _deleted_afterwards(client: httpx.Client, isbn: str) -> Iterator[dict[str, Any]]:
    """Yield a book to create, and delete it wherever the walk fails, also amid its creation."""
    book: dict[str, Any] = {
        "isbn": isbn,
        "title": "Smoke test",
        "authors": [AUTHOR],
        "price": {"amount": "0.01", "currency": "EUR"},
    }
    try:
        yield book
    except BaseException:
        client.event_hooks = {}
        with suppress(httpx.HTTPError, SmokeError):  # why the walk ended matters more
            for left, _ in _books(client, isbn):
                client.delete(f"{BOOKS}/{left['id']}", params=FOR_GOOD)
        raise


@contextmanager
def _at_most(longest: timedelta, client: httpx.Client) -> Iterator[None]:
    """Let no request begin after this time."""
    deadline = time.monotonic() + longest.total_seconds()

    def check(_: httpx.Request) -> None:
        if time.monotonic() > deadline:
            msg = f"The API needs more than {longest.total_seconds():.0f} s for a few requests."
            raise SmokeError(msg)

    before = client.event_hooks
    client.event_hooks = {**before, "request": [check]}
    try:
        yield
    finally:
        client.event_hooks = before


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
