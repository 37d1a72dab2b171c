"""P7, security headers presence: each answer carries exactly those of docs/reference/security.md.

Drawn are the route, the method, how it ends and who asks; what answers are real servers.
"""

import itertools
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bookstore_api.settings import Settings
from bookstore_api.shop.catalog.isbn import make_isbn
from bookstore_api.telemetry.request_state import READS
from bookstore_api.web.docs_page import DOCS_CONTENT_POLICY
from bookstore_api.web.middleware.security_headers import SECURITY_HEADERS
from tests.support.bookstore import app_of, served
from tests.support.examples import scaled

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "security.md"
BOOKS, BOOK = "/api/v1/books", "/api/v1/books/{book_id}"
TOKEN = "right-0123456789abcdef0123456789abcdef"
SHOP = "https://shop.example.com"
CANARY = "canary-7c1e"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
BODIES = frozenset({"POST", "PATCH"})
MAX_BODY = 4096
# Of one client; each drawn request has a client of its own, but for those that are to be rejected.
LIMIT = "5/hour"
THROTTLED = "203.0.113.1"
# What the protocol says of the connection and of the answer's length is not ours to promise.
FRAMING = frozenset({"connection", "content-length", "content-type", "date", "traceparent"})

STATUS = {
    "unreadable": 422,
    "no-token": 401,
    "unknown": 404,
    "other-method": 405,
    "too-large": 413,
    "foreign-type": 415,
    "invalid": 422,
    "throttled": 429,
    "fault": 500,
    "unavailable": 503,
}
DONE = {"GET": 200, "HEAD": 200, "POST": 201, "PATCH": 200, "DELETE": 204}


@dataclass(frozen=True)
class Case:
    """A route, how it is asked and how that is to end."""

    route: str
    method: str
    outcome: str

    @property
    def status(self) -> int:
        if self.method == "OPTIONS" and self.outcome == "other-method":
            return 204
        return DONE[self.method] if self.outcome == "done" else STATUS[self.outcome]

    @property
    def writes(self) -> bool:
        return self.method not in READS


def outcomes(route: str, method: str) -> Iterator[str]:
    """How a request of a documented operation can end."""
    yield from ("done", "invalid", "throttled", "fault", "unavailable")
    if route == BOOK:
        yield "unknown"
    if method not in READS:
        yield "no-token"
    if method in BODIES:
        yield from ("unreadable", "too-large", "foreign-type")


def outcomes_of_others(method: str, guarded: bool) -> Iterator[str]:
    """How a request of a route of another domain can end before its own code runs."""
    yield "throttled"
    if guarded:
        yield "no-token"
    elif method in BODIES:
        yield from ("invalid", "unreadable", "too-large", "foreign-type")


@cache
def cases() -> list[Case]:
    """All of them: what the description has, and what it has not."""
    settings = Settings.model_validate({"database_url": "sqlite:///unused.db"})
    paths: Mapping[str, Mapping[str, Any]] = app_of(settings).openapi()["paths"]
    described = {
        (path, method.upper()): operation
        for path, methods in paths.items()
        for method, operation in methods.items()
    }
    operations = {operation for operation in described if operation[0] in {BOOKS, BOOK}}
    assert len({path for path, _ in operations}) == 2
    expected = [
        Case(*operation, outcome) for operation in operations for outcome in outcomes(*operation)
    ]
    for others in described.keys() - operations:
        guarded = "security" in described[others]
        left_out = UNCHECKED if others[0] == SIGNED else frozenset()
        expected += [
            Case(*others, outcome)
            for outcome in outcomes_of_others(others[1], guarded)
            if outcome not in left_out
        ]
    for route, method in itertools.product((BOOKS, BOOK), METHODS):
        if (route, method) not in operations:
            expected += [Case(route, method, "other-method"), Case(route, method, "throttled")]
    for route, method in itertools.product(("/docs", "/openapi.json"), METHODS):
        expected.append(Case(route, method, "done" if method in DONE_PAGES else "other-method"))
    expected += [Case("/nothing", method, "unknown") for method in METHODS]
    return sorted(expected, key=repr)


SIGNED = "/api/v1/payment-events"
# A body whose signature can't be checked is not read: no secrets are mounted here.
UNCHECKED = frozenset({"invalid", "unreadable"})
DONE_PAGES = frozenset({"GET", "HEAD"})


def documented(answers: str) -> set[str]:
    """The headers that the reference promises for a kind of answers."""
    text = REFERENCE.read_text(encoding="utf-8")
    row = re.search(rf"^\| {re.escape(answers)} \| (.*) \|$", text, re.MULTILINE)
    assert row is not None, answers
    return {name.lower() for name in re.findall(r"`([A-Za-z-]+)`", row[1])}


def expected_names(case: Case, origin: str | None) -> set[str]:
    """The documented names for a case, but for the framing."""
    names = {name.lower() for name in SECURITY_HEADERS} | documented("all")
    names |= documented("to a page of an allowed origin" if origin == SHOP else "to any other page")
    if case.outcome not in {"too-large", "fault"}:
        names |= documented("all but 413, 500 and preflights")
    if case.status in {200, 201, 401, 405, 429, 503}:
        names |= documented(str(case.status))
    if case.status == 415:
        names |= documented("415 to a `PATCH`" if case.method == "PATCH" else "415")
    if case.method == "OPTIONS" and case.status == 204:
        names |= documented("204 of `OPTIONS`")
    if case.route == BOOK and case.outcome == "other-method":
        names |= documented("204 of `OPTIONS` and 405, of a book")
    return names


@dataclass
class World:
    """Three servers: one that works, one whose database has no tables, one that has none."""

    works: httpx.Client
    faulty: httpx.Client
    unavailable: httpx.Client
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def ask(self, case: Case, origin: str | None, extra: Mapping[str, str]) -> httpx.Response:
        """Make the case happen."""
        client = {"fault": self.faulty, "unavailable": self.unavailable}.get(
            case.outcome, self.works
        )
        headers = {**extra, "x-forwarded-for": self._asker(case)}
        if origin is not None:
            headers["origin"] = origin
        if case.outcome != "no-token":
            headers["authorization"] = f"Bearer {TOKEN}"
        content = self._content(case)
        if content is not None:
            foreign = case.outcome == "foreign-type"
            headers["content-type"] = "text/xml" if foreign else "application/json"
        path = self._path(case)
        return client.request(case.method, path, headers=headers, content=content)

    def preflight(self, path: str, method: str, origin: str) -> httpx.Response:
        headers = {"origin": origin, "access-control-request-method": method}
        return self.works.options(path, headers=headers)

    def _asker(self, case: Case) -> str:
        return THROTTLED if case.outcome == "throttled" else self._new_client()

    def _new_client(self) -> str:
        return str(IPv4Address("10.0.0.0") + next(self.numbers))

    def _path(self, case: Case) -> str:
        if case.route != BOOK:
            return case.route + ("?limit=0" if case.outcome == "invalid" else "")
        if case.outcome == "done" and case.method in {"GET", "HEAD", "PATCH", "DELETE"}:
            return self._new_book()
        if case.outcome == "invalid" and case.method not in BODIES:
            return f"{BOOKS}/{CANARY}"
        return f"{BOOKS}/00000000-0000-7000-8000-000000000000"

    def _new_book(self) -> str:
        headers = {"authorization": f"Bearer {TOKEN}", "x-forwarded-for": self._new_client()}
        created = self.works.post(BOOKS, json=self._book(), headers=headers)
        assert created.status_code == 201, created.text
        return created.headers["location"]

    def _book(self) -> dict[str, Any]:
        return {
            "isbn": make_isbn(next(self.numbers)),
            "title": "A",
            "authors": ["B"],
            "price": {"amount": "1", "currency": "EUR"},
        }

    def _content(self, case: Case) -> bytes | None:
        if case.method not in BODIES:
            return None
        if case.outcome == "invalid":
            return b'{"%s": 1}' % CANARY.encode()
        if case.outcome == "unreadable":
            return b'"\xff"'
        if case.outcome == "too-large":
            return b" " * (MAX_BODY + 1)
        if case.outcome == "foreign-type":
            return f"<{CANARY}/>".encode()
        book = self._book() if case.method == "POST" else {"title": "C"}
        return httpx.Request("POST", "http://x", json=book).content


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("p7")
    shutil.copy(migrated_file, folder / "books.db")
    (folder / "empty.db").touch()
    common = {
        "secrets_dir": folder / "no-secrets",
        "staff_token": TOKEN,
        "cors_origins": SHOP,
        "trusted_proxies": "127.0.0.1",
        "max_body_bytes": MAX_BODY,
        "rate_limit_reads": LIMIT,
        "rate_limit_writes": LIMIT,
    }
    databases = (
        f"sqlite:///{folder / 'books.db'}",
        f"sqlite:///{folder / 'empty.db'}",
        "postgresql://nobody:nothing@127.0.0.1:9/nowhere",
    )
    with ExitStack() as stack:
        clients = [
            stack.enter_context(
                served(app_of(Settings.model_validate({**common, "database_url": url})))
            )
            for url in databases
        ]
        headers = {"x-forwarded-for": THROTTLED}
        for method, _ in itertools.product(("GET", "PUT"), range(5)):
            assert clients[0].request(method, "/nothing", headers=headers).status_code == 404
        works, faulty, unavailable = clients
        yield World(works, faulty, unavailable)


def assert_documented(answer: httpx.Response, names: set[str], policy: str) -> None:
    """Hold an answer to the reference: these headers, each once, with these values."""
    sent = [name.lower() for name, _ in answer.headers.multi_items()]
    assert len(sent) == len(set(sent)), answer.headers
    assert set(sent) - FRAMING == names, answer
    values = {**SECURITY_HEADERS, "Content-Security-Policy": policy}
    assert {name: answer.headers[name] for name in values} == values
    assert CANARY not in str(answer.headers) + answer.text
    if answer.status_code >= 400 and answer.request.method != "HEAD":
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code


foreign_origins = st.sampled_from(
    ["null", f"https://{CANARY}.example", f"{SHOP}.evil.example", SHOP + ":8443", SHOP.upper()]
)
origins = st.none() | st.just(SHOP) | foreign_origins
extra_headers = st.dictionaries(
    st.sampled_from(["accept", "cookie", "if-none-match", "range", "x-forwarded-host", "te"]),
    st.sampled_from([CANARY, "*/*", "bytes=0-1"]),
    max_size=3,
).map(lambda drawn: drawn | ({"if-none-match": f'"{CANARY}"'} if "if-none-match" in drawn else {}))


def test_the_cases_are_all_that_the_issue_names() -> None:
    expected = {case.status for case in cases()}
    assert expected >= {200, 201, 204, 401, 404, 405, 413, 422, 429, 500, 503}
    assert {case.method for case in cases()} == set(METHODS)


@given(data=st.data())
@hypothesis_settings(max_examples=scaled(500))
def test_every_answer_carries_exactly_the_documented_headers(
    world: World, data: st.DataObject
) -> None:
    case = data.draw(st.sampled_from(cases()))
    origin = data.draw(origins)
    answer = world.ask(case, origin, data.draw(extra_headers))
    assert answer.status_code == case.status, answer.text
    policy = SECURITY_HEADERS["Content-Security-Policy"]
    if case.route == "/docs" and case.outcome == "done":
        policy = DOCS_CONTENT_POLICY
    assert_documented(answer, expected_names(case, origin), policy)
    if origin == SHOP:
        assert answer.headers["access-control-allow-origin"] == SHOP


@given(
    path=st.sampled_from([BOOKS, "/docs", "/nothing"]),
    method=st.sampled_from([*METHODS, CANARY]),
    origin=st.just(SHOP) | foreign_origins,
)
def test_a_preflight_too(world: World, path: str, method: str, origin: str) -> None:
    answer = world.preflight(path, method, origin)
    names = {name.lower() for name in SECURITY_HEADERS} | documented("all")
    if origin == SHOP:
        assert answer.status_code == 204
        names |= documented("to a page of an allowed origin") | documented("to its preflight")
    else:
        assert answer.status_code == 403
        names |= documented("to any other page")
    assert_documented(answer, names, SECURITY_HEADERS["Content-Security-Policy"])
