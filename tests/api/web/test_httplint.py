"""Every route's answers of a real process, by httplint: what REDbot checks of RFC 9110 to 9112."""

import json
import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from httplint import HttpRequestLinter, HttpResponseLinter
from httplint.note import levels

from tests.support.bookstore import StartProcess
from tests.support.raw import Answer, RawRequest, answers, ask, connect, read_to_end, send

BOOKS = b"/api/v1/books"
BOOK: dict[str, Any] = {
    "isbn": "9780132350884",
    "title": "Clean Code",
    "authors": ["Robert C. Martin"],
    "price": {"amount": "39.90", "currency": "EUR"},
}
SHOP = "https://shop.example.com"
INTERNAL = (b"/livez", b"/readyz", b"/health", b"/version", b"/metrics", b"/nothing")
NOBODY = b"00000000-0000-7000-8000-000000000000"
BODIES = (b"POST", b"PUT", b"PATCH")
METHODS = (b"GET", b"HEAD", b"OPTIONS", b"POST", b"PUT", b"PATCH", b"DELETE")
JSON = (b"content-type", b"application/json")
ORIGIN = (b"origin", SHOP.encode())
CONDITIONS = (
    (), ((b"if-none-match", b"*"),), ((b"if-match", b'"x"'),), (ORIGIN,),
    (ORIGIN, (b"access-control-request-method", b"PATCH")), ((b"range", b"bytes=0-1"),),
    ((b"content-encoding", b"gzip"),), ((b"accept", b"application/openmetrics-text"),),
)  # fmt: skip
REJECTED = (
    b"canary\r\n\r\n", b"BREW / HTTP/1.1\r\nhost: a\r\n\r\n", b"GET / HTTP/2.0\r\nhost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: a b\r\n\r\n", b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: a\r\norigin: " + SHOP.encode() + b"\r\na: " + b"b" * 40_000,
    b"GET / HTTP/1.1\r\nhost: a\r\nexpect: x\r\n\r\n",
)  # fmt: skip


# What httplint says of right answers: of what the request did wrong (which it does not see whole),
# and of a header that RFC 9110, 15.5.16 asks for.
RIGHT: dict[int, str | tuple[str, ...]] = {
    400: "The server didn't understand the request.",
    414: "The server won't accept a URI this long",
    415: ('"Accept-Encoding" isn\'t valid in a response.', '"Accept" isn\'t valid in a response.'),
    417: "The request didn't have an Expect header.",
    505: "The request HTTP version isn't supported.",
}


def problems_of(request: RawRequest, answer: Answer) -> list[str]:
    """What httplint finds wrong or doubtful in an answer."""
    asked = HttpRequestLinter(no_content=True)
    asked.process_request_topline(request.method, request.target, b"HTTP/1.1")
    asked.process_headers([(b"Host", b"books"), *request.headers])
    asked.finish_content(True)
    linter = HttpResponseLinter(no_content=request.method == b"HEAD")
    linter.request = asked
    phrase = HTTPStatus(answer.status).phrase.encode()
    linter.process_response_topline(b"HTTP/1.1", str(answer.status).encode(), phrase)
    linter.process_headers([(name.encode(), value.encode()) for name, value in answer.headers])
    linter.feed_content(answer.body)
    linter.finish_content(True)
    bad = [str(note.summary) for note in linter.notes if note.level in {levels.BAD, levels.WARN}]
    right = RIGHT.get(answer.status)
    return [summary for summary in bad if right is None or not summary.startswith(right)]


def public_requests(client: httpx.Client) -> Iterable[RawRequest]:
    """One of every method to every path that the API describes, and more, in every condition."""
    location = client.post(BOOKS.decode(), json=BOOK).headers["location"].encode()
    described = [path.encode() for path in client.get("/openapi.json").json()["paths"]]
    paths = [path.replace(b"{book_id}", location.rpartition(b"/")[2]) for path in described]
    assert {BOOKS, location} <= set(paths)
    others = {re.sub(rb"\{\w+\}", NOBODY, path) for path in paths} - {BOOKS, location}
    for target in others:
        for method in METHODS:
            yield RawRequest(method, target, (JSON,) if method in BODIES else ())
    paths = [BOOKS, location]
    for target in (*paths, b"/docs", b"/openapi.json", b"/nothing", BOOKS + b"?limit=0"):
        for headers in CONDITIONS:
            for method in METHODS[:-1]:
                yield RawRequest(method, target, headers)
    body = json.dumps(BOOK | {"title": "Other"}).encode()
    yield RawRequest(b"POST", BOOKS, (JSON,), body)  # 409
    yield RawRequest(b"PATCH", location, (JSON,), body)
    yield RawRequest(b"DELETE", location)
    yield RawRequest(b"DELETE", location)
    yield RawRequest(b"POST", BOOKS, (JSON,), body)


def test_no_answer_of_any_route_is_doubtful(start: StartProcess) -> None:
    process = start(None, cors_origins=SHOP, rate_limit_writes="1000/hour").wait_until_ready()
    doubtful: dict[str, str] = {}
    statuses: set[int] = set()

    def check(request: RawRequest, answer: Answer) -> None:
        statuses.add(answer.status)
        for problem in problems_of(request, answer):
            doubtful.setdefault(problem, f"{request} {answer}")

    with httpx.Client(base_url=process.url, timeout=20) as client:
        public = list(public_requests(client))
    internal = [RawRequest(method, path) for method in METHODS for path in INTERNAL]
    for url, requests in ((process.url, public), (process.internal_url, internal)):
        for request in requests:
            [answer] = ask(url, [request])
            check(request, answer)
    for sent in REJECTED:
        with connect(process.url) as connection:
            send(connection, [sent])
            [answer] = answers(read_to_end(connection))
        check(RawRequest(b"GET", b"/"), answer)
    assert doubtful == {}, "\n".join(doubtful)
    assert statuses >= {200, 201, 204, 304, 400, 404, 405, 409, 412, 414, 415, 417, 422, 431, 501}


@pytest.mark.parametrize(
    "headers",
    [
        [("date", "today")],
        [("date", "Fri, 27 Nov 2026 14:38:07 GMT"), ("vary", "a b")],
        [("date", "Fri, 27 Nov 2026 14:38:07 GMT"), ("etag", "1")],
        [("date", "Fri, 27 Nov 2026 14:38:07 GMT"), ("content-length", "7")],
        [],
    ],
)
def test_what_is_doubtful_is_found(headers: list[tuple[str, str]]) -> None:
    assert problems_of(RawRequest(b"GET", BOOKS), Answer(200, headers, b"a", whole=True))
