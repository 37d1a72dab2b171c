"""Whatever is sent: a 4xx that names the field, never an internal error, and little memory."""

import json
from typing import Any

import httpx
import pytest

from tests.support.bookstore import StartProcess, wait_until
from tests.support.raw import Answer, Memory, answers, connect, exchange, read_to_end, send

BOOKS = "/api/v1/books"
BOOK: dict[str, Any] = {
    "isbn": "9780132350884",
    "title": "Clean Code",
    "authors": ["Robert C. Martin"],
    "price": {"amount": "39.90", "currency": "EUR"},
}
ID = "0190163d-8694-739b-aea5-966c26f8ad91"
DEEP = 100_000
MEGABYTE = 1024 * 1024


def request(
    method: str, target: str, body: bytes = b"", *headers: bytes, kind: bytes = b"application/json"
) -> bytes:
    """Make the bytes of a request that is the last of its connection."""
    lines = [
        f"{method} {target} HTTP/1.1".encode("latin-1"),
        b"host: shop",
        b"connection: close",
        b"content-length: %d" % len(body),
        *([b"content-type: " + kind] if body else []),
        *headers,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def ask(client: httpx.Client, sent: bytes) -> Answer:
    [answer] = exchange(str(client.base_url), sent)
    return answer


BODIES = {
    "nothing": b"",
    "no object": b"null",
    "a list": b"[]",
    "a text": b'"canary"',
    "a number": b"1",
    "no JSON": b"{canary",
    "half of it": b'{"title": "canary',
    "bad UTF-8": b'{"title": "canary\xff"}',
    "bad UTF-8 in a name": b'{"canary\xff": 1}',
    "bytes": b"\xff\xfe\x00canary",
    "an open list a hundred thousand deep": b"[" * DEEP,
    "a list a hundred thousand deep": b"[" * DEEP + b"]" * DEEP,
    "objects a hundred thousand deep": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "a field a hundred thousand deep": b'{"title":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "a number of a hundred thousand digits": b'{"title":' + b"9" * DEEP + b"}",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_is_none_is_named(api: httpx.Client, body: bytes) -> None:
    for method, target in (("POST", BOOKS), ("PATCH", f"{BOOKS}/{ID}")):
        answer = ask(api, request(method, target, body))
        assert answer.status == 422
        assert answer.fields == ["body"]
        assert b"canary" not in answer.body


ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
HUGE = int("9" * 4000)
TEXTS: list[Any] = [
    None,
    1,
    HUGE,
    1.5,
    True,
    [],
    {},
    "",
    "\0",
    "a\0b",
    "\ud800",
    "a\nb",
    "\x1b[31m",
    "a" * DEEP,
]
FIELDS: dict[str, list[Any]] = {
    "isbn": [
        *TEXTS,
        "9780132350885",
        "978013235088X",
        "9780132350884".translate(ARABIC),
        "9780132350884\0",
    ],
    "title": TEXTS,
    "authors": [None, 1, "Robert C. Martin", {}, [], ["a"] * 51],
    "authors/0": TEXTS,
    "price": [None, 39.9, "39.90 EUR", [], True],
    "price/amount": [
        *TEXTS,
        "1e3",
        "-1",
        "1,0",
        "01",
        ".5",
        "1.",
        "1.2345",
        "9" * 13,
        "NaN",
        "1".translate(ARABIC),
    ],
    "price/currency": [*TEXTS, "eur", "EURO", "EUR\n"],
    "published_on": [
        *(text for text in TEXTS if text is not None),
        *(
            "0000-01-01",
            "2008-02-30",
            "10000-01-01",
            "2008-08-01T00:00:00Z",
            "20080801",
            "2008-08-01".translate(ARABIC),
        ),
        *(0, -1, 1e300),
    ],
}
CASES = [(field, value) for field, values in FIELDS.items() for value in values]


def with_field(field: str, value: Any) -> bytes:
    """Make the JSON of a book of which one field is this."""
    book = json.loads(json.dumps(BOOK))
    outer, _, inner = field.partition("/")
    if not inner:
        book[outer] = value
    elif inner.isdigit():
        book[outer][int(inner)] = value
    else:
        book[outer][inner] = value
    return json.dumps(book).encode()


def test_a_field_of_a_wrong_value_is_named(api: httpx.Client) -> None:
    assert len(CASES) > 90
    for field, value in CASES:
        answer = ask(api, request("POST", BOOKS, with_field(field, value)))
        description = f"{field} {str(value)[:30]!r}: {answer.status} {answer.body[:300]!r}"
        assert answer.status == 422, description
        # An amount is checked with its currency, and a list's items one by one.
        named = (f"body/{field}", f"body/{field}/0", f"body/{field.partition('/')[0]}")
        assert answer.fields[0].startswith(named), description
    assert api.get(BOOKS).json()["items"] == []


def test_not_a_number_is_no_value_of_anything(api: httpx.Client) -> None:
    fields = {"NaN": "body", "Infinity": "body", "-Infinity": "body", "1e999": "body/title"}
    for number, field in fields.items():
        body = json.dumps(BOOK).replace('"Clean Code"', number).encode()
        assert ask(api, request("POST", BOOKS, body)).fields == [field]


def test_an_unknown_field_is_told_once_and_without_its_name(api: httpx.Client) -> None:
    many = BOOK | {f"canary{number}": number for number in range(20_000)}
    answer = ask(api, request("POST", BOOKS, json.dumps(many).encode()))
    assert (answer.status, answer.fields) == (422, ["body"])
    assert b"canary" not in answer.body


def test_wrong_items_are_told_up_to_a_number(api: httpx.Client) -> None:
    many = BOOK | {"authors": [1] * 100_000}
    answer = ask(api, request("POST", BOOKS, json.dumps(many).encode()))
    assert answer.status == 422
    assert 0 < len(answer.fields) <= 100


TARGETS = {
    "limit=0": "query/limit",
    "limit=101": "query/limit",
    "limit=-1": "query/limit",
    "limit=" + "9" * 10_000: "query/limit",
    "limit=1.5": "query/limit",
    "limit=%31%00": "query/limit",
    "limit=%ff": "query/limit",
    "limit=1&limit=canary": "query/limit",
    "after=": "query/after",
    "after=%00": "query/after",
    "after=%ff": "query/after",
    "after=canary": "query/after",
    "after=" + "a" * 3000: "query/after",
    "isbn=%00": "query/isbn",
    "isbn=9780132350884%00": "query/isbn",
    "isbn=%ed%a0%80": "query/isbn",
    "isbn=" + "9" * 10_000: "query/isbn",
}


def test_a_wrong_query_is_named(api: httpx.Client) -> None:
    for query, field in TARGETS.items():
        answer = ask(api, request("GET", f"{BOOKS}?{query}"))
        assert (answer.status, answer.fields) == (422, [field]), query[:50]
        assert b"canary" not in answer.body


@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH"])
def test_a_wrong_id_is_named(api: httpx.Client, method: str) -> None:
    body = b"{}" if method == "PATCH" else b""
    for id_ in ("1", "%00", f"{ID}%00", "%ff", "%c3%28", "..", "a" * 30_000, "0" * 36, f"%7b{ID}"):
        answer = ask(api, request(method, f"{BOOKS}/{id_}", body))
        assert (answer.status, answer.fields) == (422, ["path/book_id"]), id_[:50]


def test_paths_that_lead_nowhere_are_not_found(api: httpx.Client) -> None:
    for path in ("/", "//", "/%00", "/%ff", "/..%2f..%2fetc/passwd", "/../etc/passwd", f"/{BOOKS}"):
        assert ask(api, request("GET", path)).problem["status"] == 404, path
    assert ask(api, request("GET", "/" + "a/" * 15_000)).problem["status"] == 404
    assert ask(api, request("GET", f"{BOOKS}%2f{ID}")).problem["status"] == 404


def test_a_method_that_is_none_of_ours_is_told(api: httpx.Client) -> None:
    for method in ("PUT", "TRACE"):
        answer = ask(api, request(method, BOOKS))
        assert answer.problem["status"] == 405
        assert answer.header("allow") == "GET, HEAD, POST, OPTIONS"


def test_headers_of_any_bytes_do_no_harm(api: httpx.Client) -> None:
    names = (b"accept", b"if-match", b"x-request-id", b"traceparent", b"origin", b"x-forwarded-for")
    for value in (b"\xff", b"a" * 3000, b'"', b",,,;;;=", b"%00", b"\xc3\x28", b"9" * 400):
        for name in (*names, b"authorization", b"content-type", b"cookie", b"forwarded", b"range"):
            for lines in ([name + b": " + value], [name + b": " + value] * 2):
                answer = ask(api, request("DELETE", f"{BOOKS}/{ID}", b"", *lines))
                assert 400 <= answer.status < 500, (name, value[:20], answer)
                assert answer.problem


def test_bodies_of_any_kind_do_no_harm(api: httpx.Client) -> None:
    body = json.dumps(BOOK).encode()
    kinds = (b"text/plain", b"multipart/form-data; boundary=x", b"\xff;;;=", b"application/xml")
    for kind in (*kinds, b"application/x-www-form-urlencoded", b"application", b"/", b";"):
        answer = ask(api, request("POST", BOOKS, body, kind=kind))
        assert answer.problem["status"] in (415, 422), kind
    for coding in (b"gzip", b"br", b"\xff"):
        packed = b"\x1f\x8b\x08\x00canary"
        answer = ask(api, request("POST", BOOKS, packed, b"content-encoding: " + coding))
        assert answer.problem["status"] in (415, 422), coding


def test_who_stops_in_the_middle_of_a_body_does_no_harm(api: httpx.Client) -> None:
    whole = request("POST", BOOKS, json.dumps(BOOK).encode())
    for length in range(len(whole) - len(json.dumps(BOOK)), len(whole), 20):
        with connect(str(api.base_url)) as connection:
            send(connection, [whole[:length]])
    assert api.get(BOOKS).json()["items"] == []


def test_a_content_length_that_lies_is_believed_no_further_than_the_request(
    api: httpx.Client,
) -> None:
    """Too short: the rest is no request. Too long: the rest never comes, and nothing is stored."""
    body = json.dumps(BOOK).encode()
    head = f"POST {BOOKS} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    short = f"{head}content-length: {len(body) - 5}\r\n\r\n".encode() + body
    first, second = exchange(str(api.base_url), short)
    assert (first.status, first.fields, second.status) == (422, ["body"], 400)
    with connect(str(api.base_url)) as connection:
        send(connection, [f"{head}content-length: {len(body) + 5}\r\n\r\n".encode() + body])
    assert api.get(BOOKS).json()["items"] == []


def test_bad_input_costs_the_process_little_memory(start: StartProcess) -> None:
    """50 MB of each kind that has no end, and many heads that come slowly."""
    process = start(None, header_seconds=3, body_seconds=3).wait_until_ready()
    memory = Memory(process.pid)
    post = f"POST {BOOKS} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n".encode()
    deep = request("POST", BOOKS, b"[" * (MEGABYTE - 100))
    for _ in range(3):  # what Python and its libraries keep anyhow
        [answer] = exchange(process.url, deep)
        assert answer.status == 422
    block = MEGABYTE // 4
    endless = {
        "a target": (b"GET /", b"a" * block),
        "a header": (b"GET / HTTP/1.1\r\nhost: x\r\na: ", b"b" * block),
        "headers": (b"GET / HTTP/1.1\r\nhost: x\r\n", b"a: b\r\n" * (block // 6)),
        "empty lines": (b"", b"\r\n" * (block // 2)),
        "requests": (b"", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * (block // 28)),
        "trailers": (post + b"transfer-encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n" * (block // 6)),
        "an extension": (post + b"transfer-encoding: chunked\r\n\r\n1;", b"a" * block),
        "a wrong body": (
            post + b"transfer-encoding: chunked\r\n\r\n",
            b"1\r\n[\r\n" * (block // 6),
        ),
    }
    grown = {}
    for name, (begin, more) in endless.items():
        memory.forget()
        before = memory.peak
        for _ in range(2):
            with connect(process.url) as connection:
                send(connection, [begin, *[more] * (25 * MEGABYTE // block)])
        grown[name] = memory.peak - before
    memory.forget()
    before = memory.peak
    held = [connect(process.url) for _ in range(100)]
    for connection in held:
        send(connection, [b"GET / HTTP/1.1\r\nhost: x\r\na: " + b"b" * 20_000])
    for connection in held:
        [answer] = answers(read_to_end(connection))
        assert answer.status == 408
        connection.close()
    grown["a hundred slow heads"] = memory.peak - before
    assert max(grown.values()) < 10 * MEGABYTE, {key: value // 1024 for key, value in grown.items()}
    wait_until(lambda: process.answers("/livez"), "an answer")
    assert all(200 <= line.get("status", 200) < 500 for line in process.lines())
