"""What RFC 9110, 9112, 5789 and 7396 demand of a server, as a table, by real servers."""

import fcntl
import json
import socket
import termios
from array import array
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from bookstore_api.kit.etags import parse_entity_tags
from bookstore_api.settings import Settings
from bookstore_api.web.middleware.cors import EXPOSED_HEADERS
from bookstore_api.web.server.request_head import is_host, read_target
from tests.support.bookstore import Served, StartProcess, app_of, execute, served
from tests.support.raw import Answer, connect, exchange, read_to_end, send

BOOKS = "/api/v1/books"
CLOSE = b"connection: close\r\n\r\n"
BOOK: dict[str, Any] = {
    "isbn": "9780132350884",
    "title": "Clean Code",
    "authors": ["Robert C. Martin"],
    "price": {"amount": "39.90", "currency": "EUR"},
}
SHOP = "https://shop.example.com"


@pytest.fixture
def api(sqlite_server: Served) -> httpx.Client:
    """The API on an empty catalog."""
    execute(sqlite_server.url, "DELETE FROM books")
    return sqlite_server.client


@pytest.fixture
def path(api: httpx.Client) -> str:
    """The path of a book of version 1."""
    answer = api.post(BOOKS, json=BOOK)
    assert answer.status_code == 201
    return answer.headers["location"]


def ask_raw(client: httpx.Client, text: str, body: bytes = b"") -> Answer:
    """Send a head as it is written, without the empty line, and a body; the one answer."""
    head = text.replace("\n", "\r\n").encode("latin-1")
    [answer] = exchange(str(client.base_url), head + b"\r\n" + CLOSE + body)
    return answer


# Methods: RFC 9110, 9.1 and 9.3.2, 9.3.7


def test_every_get_route_answers_head_alike(api: httpx.Client, path: str) -> None:
    for target in (BOOKS, path, f"{BOOKS}?limit=5", "/openapi.json", "/docs", f"{BOOKS}?limit=0"):
        get, head = api.get(target), api.head(target)
        assert (head.status_code, head.content) == (get.status_code, b""), target
        own = {"x-request-id", "date", "ratelimit"}
        assert {name: value for name, value in head.headers.items() if name not in own} == {
            name: value for name, value in get.headers.items() if name not in own
        }
    assert api.head(f"{BOOKS}/nothing").status_code == 422


def test_options_names_the_methods_and_so_does_a_405(api: httpx.Client, path: str) -> None:
    expected = {BOOKS: "GET, HEAD, POST, OPTIONS", path: "GET, HEAD, PATCH, DELETE, OPTIONS"}
    for target, allowed in expected.items():
        options, wrong = api.options(target), api.put(target, json={})
        assert (options.status_code, options.content) == (204, b"")
        assert "content-length" not in options.headers
        assert wrong.status_code == 405
        assert options.headers["allow"] == wrong.headers["allow"] == allowed
    assert "application/merge-patch+json" in api.options(path).headers["accept-patch"]
    assert "accept-patch" not in api.options(BOOKS).headers
    assert api.options("/docs").headers["allow"] == "GET, HEAD, OPTIONS"
    assert api.options("/nothing").status_code == 404


def test_options_of_the_whole_server(api: httpx.Client) -> None:
    for target in ("*", "http://books.example.com"):
        answer = ask_raw(api, f"OPTIONS {target} HTTP/1.1\nhost: books.example.com")
        assert (answer.status, answer.body) == (204, b"")
        assert "PATCH" in (answer.header("allow") or "")
    assert ask_raw(api, "GET * HTTP/1.1\nhost: x").status == 400


# The head of a request: RFC 9112, 3.2; RFC 9110, 7.2 and 10.1.1

HOSTS = (
    "shop", "shop:80", "shop:", "a_b.example.com.", "10.0.0.1:8000", "[::1]", "[2001:db8::1]:8000",
    "a%2db", "[::ffff:10.0.0.1]:1", "xn--bcher-kva.example", "127.0.0.1:65535",
)  # fmt: skip
NO_HOSTS = (
    "", " ", "a b", "u@h", "u:p@h", "a,b", "a, b", "a/b", "a?b", "a#b", "a\\b", "http://a", "[::1",
    "::1", "[a]", "[::1]a", "[fe80::1%25eth0]", "a:b", "a:80:80", "a:65536", "a:-1", "a:\uff18",
    ":80", "a%zz", "\xe9", "a\tb", "*", "a;b", "a=b", '"a"', "<a>", "[]", "[1.2.3.4]", "[v1.a]",
)  # fmt: skip


def test_a_host_header_that_is_none_is_rejected(api: httpx.Client) -> None:
    for host in HOSTS:
        assert is_host(host.encode()), host
    for host in NO_HOSTS:
        assert not is_host(host.encode()), host
    for host in ("a b", "u@h", "a,b", "", "[::1"):
        answer = ask_raw(api, f"GET {BOOKS} HTTP/1.1\nhost: {host}")
        assert (answer.status, answer.fields) == (400, ["header/host"]), host
    old = ask_raw(api, f"GET {BOOKS} HTTP/1.0\nhost: a b")
    assert old.fields == ["header/host"]


def test_a_target_is_a_path_or_a_url(api: httpx.Client) -> None:
    for target in (BOOKS, f"http://a{BOOKS}", f"HTTP://a:80{BOOKS}", f"https://[::1]{BOOKS}"):
        assert ask_raw(api, f"GET {target} HTTP/1.1\nhost: a").status == 200, target
    for target in ("http://a", "http://a?x"):  # its path is "/"
        assert ask_raw(api, f"GET {target} HTTP/1.1\nhost: a").status == 404, target
    wrong = (
        f"{BOOKS}#a", f"{BOOKS}?limit=1#", "#", f"http://a{BOOKS}#a", f"http://u@a{BOOKS}",
        f"http://{BOOKS}", f"http://a,b{BOOKS}", f"ftp://a{BOOKS}", f'{BOOKS}?"', "books", "a:80",
        f"{BOOKS}?<", f"http://a:99999{BOOKS}", f"{BOOKS}\xe9", "?", "", "//#",
    )  # fmt: skip
    for target in wrong:
        assert ask_raw(api, f"GET {target} HTTP/1.1\nhost: a").status == 400, target
        assert read_target("GET", target.encode()) is None


async def tell_host(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the host that the app sees."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    else:
        hosts = b" ".join(value for name, value in scope["headers"] if name == b"host")
        body = hosts + b" " + scope["raw_path"] + b"?" + scope["query_string"]
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def test_the_host_of_a_url_replaces_the_header() -> None:
    with served(tell_host) as client:
        answer = ask_raw(client, "GET http://Books.example:81/a?b HTTP/1.1\nhost: elsewhere")
        assert answer.body == b"Books.example:81 /a?b"
        assert ask_raw(client, "GET http://a?b HTTP/1.1\nhost: c").body == b"a /?b"


MALFORMED = {
    "a folded line": "a: b\n c: d",
    "a folded line with a tab": "a: b\n\tc",
    "a space before the colon": "a : b",
    "a tab before the colon": "a\t: b",
    "no name": ": b",
    "no colon": "ab",
    "a name that is no token": "a(b): c",
    "a control character": "a: \x01",
    "two lengths": "content-length: 1\ncontent-length: 1",
    "a list of lengths": "content-length: 1, 1",
    "a signed length": "content-length: +1",
    "a length and a coding": "content-length: 1\ntransfer-encoding: chunked",
    "an unknown coding": "transfer-encoding: gzip",
    "a coding twice": "transfer-encoding: chunked, chunked",
    "a coding with a parameter": "transfer-encoding: chunked;a=b",
    "a coding after a vertical tab": "transfer-encoding: \x0bchunked",
}


def test_what_is_read_in_two_ways_is_rejected(api: httpx.Client) -> None:
    for name, lines in MALFORMED.items():
        answer = ask_raw(api, f"POST {BOOKS} HTTP/1.1\nhost: a\n{lines}", b"0\r\n\r\n")
        assert answer.status == 400, name
    for sent in (
        f"GET {BOOKS} HTTP/1.1\nhost: a\n\n",
        f"GET {BOOKS} HTTP/1.1\r\nhost: a\nb: c\r\n\r\n",
        f"GET {BOOKS} HTTP/1.1\r\nhost: a\rb: c\r\n\r\n",
        f"GET {BOOKS} HTTP/1.1\r\n host: a\r\n\r\n",
        f"GET {BOOKS} HTTP/1.1 \r\nhost: a\r\n\r\n",
    ):
        [answer] = exchange(str(api.base_url), sent.encode())
        assert answer.status == 400, sent


UNKNOWN_METHODS = (
    "BREW", "get", "Get", "GETT", "G", "PROPFIND", "QUERY", "M-SEARCH", "DESCRIBE", "PRI", "LINK",
    "A" * 300, "!#$%&'*+.^_`|~-",
)  # fmt: skip


def test_what_is_not_implemented_is_named(api: httpx.Client) -> None:
    """Whether or not the parser knows it: RFC 9110, 9.1 and 15.6.2."""
    for method in UNKNOWN_METHODS:
        assert ask_raw(api, f"{method} {BOOKS} HTTP/1.1\nhost: a").status == 501, method
    assert ask_raw(api, "CONNECT books.example:443 HTTP/1.1\nhost: books.example:443").status == 501
    for method in ("G@T", "G(T", "G\xe9T", '"GET"'):
        assert ask_raw(api, f"{method} {BOOKS} HTTP/1.1\nhost: a").status == 400, method
    for method in ("TRACE", "PUT"):
        assert ask_raw(api, f"{method} {BOOKS} HTTP/1.1\nhost: a").status == 405, method
    assert ask_raw(api, f"GET {BOOKS} HTTP/1.1\nhost: a\nexpect: 200-ok").status == 417
    assert ask_raw(api, f"GET {BOOKS} HTTP/1.0\nhost: a\nexpect: 200-ok").status == 200


def test_another_major_version_is_505_and_a_minor_one_is_ours(api: httpx.Client) -> None:
    """RFC 9110, 2.5 and 15.6.6; the last is what an HTTP/2 client begins with."""
    for version in ("2.0", "3.0", "9.9"):
        assert ask_raw(api, f"GET {BOOKS} HTTP/{version}\nhost: a").status == 505
    for version in ("1.2", "1.9"):
        assert ask_raw(api, f"GET {BOOKS} HTTP/{version}\nhost: a").status == 200
    for version in ("0.9", "1.10", "1", "1.x", "11.1"):
        assert ask_raw(api, f"GET {BOOKS} HTTP/{version}\nhost: a").status == 400, version
    [answer] = exchange(str(api.base_url), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert answer.status == 505


def test_an_unknown_method_is_told_wherever_it_begins(api: httpx.Client) -> None:
    """In parts, and behind other requests with and without a body."""
    get = f"GET {BOOKS} HTTP/1.1\r\nhost: a\r\n\r\n".encode()
    post = f"POST {BOOKS} HTTP/1.1\r\nhost: a\r\n".encode()
    brew = b"BREW /pot HTTP/1.1\r\nhost: a\r\n\r\n"
    before = {
        b"": [],
        b"\r\n": [],
        get: [200],
        get + get: [200, 200],
        post + b"content-length: 4\r\n\r\n\r\n\r\n": [415],
        post + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n": [415],
    }
    for first, statuses in before.items():
        answers = exchange(str(api.base_url), first + brew)
        assert [answer.status for answer in answers] == [*statuses, 501], first
        answers = exchange(str(api.base_url), first + brew.replace(b"/pot", b"no pot"))
        assert [answer.status for answer in answers] == [*statuses, 400], first
    for size in (1, 3, 7):
        with connect(str(api.base_url)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for start in range(0, len(brew), size):
                send(connection, [brew[start : start + size]])
                wait_until_read(connection)
            assert read_to_end(connection).startswith(b"HTTP/1.1 501")


def wait_until_read(connection: socket.socket) -> None:
    """Wait until the server's side of the machine has what was sent, so that parts stay parts."""
    unacknowledged = array("i", [1])
    while unacknowledged[0]:
        fcntl.ioctl(connection, termios.TIOCOUTQ, unacknowledged)


CODINGS = {
    "gzip, chunked": 501, "x, chunked": 501, "deflate, gzip, chunked": 501, "trailers,chunked": 501,
    "gzip\ntransfer-encoding: chunked": 501, "chunked ": 415, "Chunked": 415,
    # Where chunked is not the last, 400 is a must (RFC 9112, 6.3).
    "gzip": 400, "identity": 400, "chunked, gzip": 400, "chunked, chunked": 400, "": 400,
    '"chunked"': 400, "a b, chunked": 400, ", chunked": 400, "gzip;q=1, chunked": 400,
}  # fmt: skip


def test_an_unknown_transfer_coding_is_501_where_it_ends(api: httpx.Client) -> None:
    for coding, status in CODINGS.items():
        head = f"POST {BOOKS} HTTP/1.1\nhost: a\ntransfer-encoding: {coding}"
        assert ask_raw(api, head, b"2\r\n{}\r\n0\r\n\r\n").status == status, coding


def test_an_encoded_slash_is_no_slash(api: httpx.Client, path: str) -> None:
    """RFC 3986, 2.2: a proxy that guards a path would let it through. And 2.1: `%zz` is nothing."""
    id_ = path.rpartition("/")[2]
    for target in (f"{BOOKS}%2F{id_}", f"{BOOKS}%2f", "/api%2Fv1/books", f"{BOOKS}/%2e%2e%2Fbooks"):
        assert ask_raw(api, f"GET {target} HTTP/1.1\nhost: a").status in {404, 422}, target
    for target in ("/api/v1/b%6Foks", f"{BOOKS}/{id_.replace('-', '%2D')}"):
        assert ask_raw(api, f"GET {target} HTTP/1.1\nhost: a").status == 200, target
    for target in (f"{BOOKS}/%", f"{BOOKS}/%z0", f"{BOOKS}?limit=%2", f"http://a{BOOKS}?%%"):
        assert ask_raw(api, f"GET {target} HTTP/1.1\nhost: a").status == 400, target


def test_white_space_around_a_value_is_not_part_of_it(api: httpx.Client, path: str) -> None:
    """RFC 9110, 5.5."""
    head = f'GET {path} HTTP/1.1\nhost: \t a \t\nif-none-match: \t "1" \t'
    assert ask_raw(api, head).status == 304
    body = b'{"title": "A"}'
    head = f"PATCH {path} HTTP/1.1\nhost:a \ncontent-length: {len(body)} \t"
    assert ask_raw(api, f"{head}\ncontent-type: \tapplication/json\t ", body).status == 200


def test_the_answer_to_a_head_never_has_a_body(api: httpx.Client) -> None:
    for lines in (
        "host: a b",
        "host: a\nhost: b",
        "host: a\nexpect: x",
        "host: a\na: " + "b" * 40_000,
    ):
        with connect(str(api.base_url)) as connection:
            sent = f"HEAD {BOOKS} HTTP/1.1\n{lines}\n\n".replace("\n", "\r\n").encode()
            send(connection, [sent])
            received = read_to_end(connection)
        assert received.startswith(b"HTTP/1.1 4")
        assert received.endswith(b"\r\n\r\n"), received[-200:]
        assert b"content-length: " in received


def test_100_continue_is_sent_to_who_waits_for_it(api: httpx.Client) -> None:
    """Not to HTTP/1.0, which must ignore it, and not before an answer that reads no body."""
    body = json.dumps(BOOK).encode()
    head = f"content-type: application/json\r\ncontent-length: {len(body)}\r\nexpect: 100-Continue"
    for version, expected in (("1.1", b"HTTP/1.1 100"), ("1.0", b"HTTP/1.1 201")):
        execute_all(api)
        with connect(str(api.base_url)) as connection:
            lines = f"POST {BOOKS} HTTP/{version}\r\nhost: a\r\nconnection: close\r\n{head}\r\n\r\n"
            if version == "1.1":
                send(connection, [lines.encode()])
                assert connection.recv(1000).startswith(expected)
                send(connection, [body])
                assert read_to_end(connection).startswith(b"HTTP/1.1 201")
            else:
                send(connection, [lines.encode(), body])
                assert read_to_end(connection).startswith(expected)
    with connect(str(api.base_url)) as connection:
        large = head.replace(str(len(body)), "99999999")
        send(connection, [f"POST {BOOKS} HTTP/1.1\r\nhost: a\r\n{large}\r\n\r\n".encode()])
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")


def execute_all(client: httpx.Client) -> None:
    """Delete every book."""
    for item in client.get(BOOKS).json()["items"]:
        assert client.delete(f"{BOOKS}/{item['id']}").status_code == 204


# Answers: RFC 9110, 6.6.1, 8.6, 15


def test_every_answer_has_what_it_must_have(api: httpx.Client, path: str) -> None:
    etag = api.get(path).headers["etag"]
    requests = [
        ("GET", path, {}), ("GET", path, {"if-none-match": etag}), ("HEAD", path, {}),
        ("OPTIONS", path, {}), ("PUT", path, {}), ("GET", "/nothing", {}), ("POST", BOOKS, {}),
        ("DELETE", path, {}),
    ]  # fmt: skip
    for method, target, headers in requests:
        answer = api.request(method, target, headers=headers)
        assert answer.headers["date"]
        assert len(answer.headers.get_list("content-length")) <= 1
        if answer.status_code in {204, 304}:
            assert not {"content-length", "transfer-encoding", "content-type"} & set(answer.headers)
            assert answer.content == b""
        else:
            assert answer.headers["content-length"]
        if answer.status_code == 405:
            assert answer.headers["allow"]


def test_a_range_is_ignored(api: httpx.Client, path: str) -> None:
    whole = api.get(path)
    for headers in ({"range": "bytes=0-1"}, {"range": "x=1"}, {"if-range": '"1"', "range": "a"}):
        part = api.get(path, headers=headers)
        assert (part.status_code, part.content) == (200, whole.content)


# Conditions: RFC 9110, 13

MATCHING = ('"1"', '"1", "2"', '"2" , "1"', ',"1",', "*", '"a,b","1"')
WEAKLY = ('W/"1"', '"9", W/"1"')
OTHERS = ('"2"', '"11"', 'W/"2"', '""', '"\xe9"', '"1,2"')
NO_TAGS = ("1", '"1 "', "'1'", '"1', 'w/"1"', '"1" "2"', '*, "1"', "", ",", '"*"x', "**", '"a"b"')


def test_entity_tags_are_read_as_the_standard_has_them() -> None:
    for text in (*MATCHING, *WEAKLY, *OTHERS):
        assert parse_entity_tags([text]) is not None, text
    for text in NO_TAGS:
        assert parse_entity_tags([text]) is None, text
    tags = parse_entity_tags(['"1"', 'W/"2"'])
    assert tags is not None
    assert tags.tags == {'"1"', 'W/"2"'}
    long = '"' + "a" * 30_000
    assert parse_entity_tags([long, long]) is None


def test_a_read_of_what_one_has_is_304(api: httpx.Client, path: str) -> None:
    whole = api.get(path)
    assert whole.headers["etag"] == '"1"'
    for method in ("GET", "HEAD"):
        for tags in (*MATCHING, *WEAKLY):
            answer = api.request(method, path, headers={"if-none-match": tags})
            assert (answer.status_code, answer.content) == (304, b""), tags
            for name in ("etag", "cache-control", "date", "x-request-id"):
                assert answer.headers[name]
        for tags in (*OTHERS, *NO_TAGS):
            answer = api.request(method, path, headers=[(b"if-none-match", tags.encode("latin-1"))])
            assert answer.status_code == 200, tags
    lines = api.get(path, headers=[("if-none-match", '"7"'), ("if-none-match", '"1"')])
    assert lines.status_code == 304
    assert (
        api.get(
            f"{BOOKS}/0190163d-8694-739b-aea5-966c26f8ad91", headers={"if-none-match": "*"}
        ).status_code
        == 404
    )


def test_what_has_no_version_has_a_weak_tag(api: httpx.Client, path: str) -> None:
    for target in (BOOKS, "/openapi.json", "/docs"):
        etag = api.get(target).headers["etag"]
        assert etag.startswith('W/"')
        assert api.get(target, headers={"if-none-match": etag}).status_code == 304
    before = api.get(BOOKS).headers["etag"]
    assert api.patch(path, json={"title": "Other"}).status_code == 200
    assert api.get(BOOKS, headers={"if-none-match": before}).status_code == 200


def test_a_read_can_demand_a_version(api: httpx.Client, path: str) -> None:
    assert api.get(path, headers={"if-match": '"1"'}).status_code == 200
    answer = api.get(path, headers={"if-match": '"2"'})
    assert (answer.status_code, answer.json()["status"]) == (412, 412)


def test_a_write_is_done_where_its_conditions_hold(api: httpx.Client, path: str) -> None:
    def status(method: str, **conditions: str) -> int:
        headers = [
            (name.replace("_", "-").encode(), value.encode("latin-1"))
            for name, value in conditions.items()
        ]
        body = {"json": {"title": BOOK["title"]}} if method == "PATCH" else {}
        return api.request(method, path, headers=headers, **body).status_code  # type: ignore[arg-type]  # httpx

    for tags in MATCHING:
        assert status("PATCH", if_match=tags) == 200, tags
        assert status("PATCH", if_none_match=tags) == status("DELETE", if_none_match=tags) == 412
    for tags in WEAKLY:  # a weak tag is never the strong one that If-Match demands
        assert status("PATCH", if_match=tags) == status("DELETE", if_match=tags) == 412, tags
        assert status("PATCH", if_none_match=tags) == 412, tags
    for tags in OTHERS:
        assert status("PATCH", if_match=tags) == status("DELETE", if_match=tags) == 412, tags
        assert status("PATCH", if_none_match=tags) == 200, tags
    for tags in NO_TAGS:
        for condition in ("if_match", "if_none_match"):
            assert status("PATCH", **{condition: tags}) == 422, tags
            assert status("DELETE", **{condition: tags}) == 422, tags
    assert status("PATCH", if_match='"1"', if_none_match='"1"') == 412
    two_lines = [("if-match", '"7"'), ("if-match", '"1"')]
    assert api.delete(path, headers=two_lines).status_code == 204
    for conditions in ({"if_match": "*"}, {"if_none_match": "*"}, {"if_match": '"1"'}):
        assert status("DELETE", **conditions) == 404  # as without them


def test_a_creation_has_nothing_to_match(api: httpx.Client) -> None:
    etag = api.get(BOOKS).headers["etag"]
    conditions = ({"if-none-match": "*"}, {"if-match": '"1"'}, {"if-match": etag})
    for headers in (*conditions, {"if-none-match": etag}, {"if-none-match": etag[2:]}):
        assert api.post(BOOKS, json=BOOK, headers=headers).status_code == 412
    assert api.get(BOOKS).json()["items"] == []
    for headers in ({"if-match": "*"}, {"if-none-match": '"1", W/"2"'}):
        created = api.post(BOOKS, json=BOOK, headers=headers)
        assert created.status_code == 201
        assert api.delete(created.headers["location"]).status_code == 204


# Bodies: RFC 9110, 8.4 and 15.5.16; RFC 5789, 2.2; RFC 7396


OTHER_TYPES = (
    "text/plain", "application/json-patch+json", "application/vnd.api+json", "text/json", "json",
    "", "application/json, text/plain", "application/x-www-form-urlencoded", "application/json-seq",
)  # fmt: skip


def test_what_is_not_read_is_415_and_says_what_is(api: httpx.Client, path: str) -> None:
    for coding in ("gzip", "br", "gzip, identity", "x-unknown"):
        headers = {"content-encoding": coding}
        for answer in (
            api.post(BOOKS, json=BOOK, headers=headers),
            api.patch(path, json={}, headers=headers),
        ):
            assert answer.status_code == 415
            assert answer.headers["accept-encoding"] == "identity"
            assert answer.json()["status"] == 415
    assert api.patch(path, json={}, headers={"content-encoding": "identity"}).status_code == 200
    merge_patch = "application/merge-patch+json"
    for kind in OTHER_TYPES:
        headers = {"content-type": kind}
        post = api.post(BOOKS, content=b"{}", headers=headers)
        assert (post.status_code, post.headers["accept"]) == (415, "application/json"), kind
        patch = api.patch(path, content=b"{}", headers=headers)
        assert (patch.status_code, patch.headers["accept-patch"].split(", ")[0]) == (
            415,
            merge_patch,
        )
    assert api.post(BOOKS, content=b"{}", headers={"content-type": merge_patch}).status_code == 415
    for kind in (merge_patch, "application/json", "Application/JSON ; charset=utf-16"):
        headers = {"content-type": kind}
        assert api.patch(path, content=b"{}", headers=headers).status_code == 200, kind


TEXT = json.dumps(BOOK)
UNREADABLE: dict[str, tuple[bytes, str]] = {
    "UTF-16": (TEXT.encode("utf-16"), "unreadable"),
    "UTF-16 without a mark": (TEXT.encode("utf-16-le"), "json_invalid"),
    "UTF-32": (TEXT.encode("utf-32"), "unreadable"),
    "Latin-1": (TEXT.replace("Code", "Cod\xe9").encode("latin-1"), "unreadable"),
    "an overlong form": (TEXT.encode().replace(b"Code", b"\xc0\xaf"), "unreadable"),
    "a surrogate": (TEXT.encode().replace(b"Code", b"\xed\xa0\x80"), "unreadable"),
    "two titles": (TEXT.replace("{", '{"title": "A", ', 1).encode(), "duplicate"),
    "two spellings of a name": (TEXT.replace("{", r'{"titl\u0065": 1, ', 1).encode(), "duplicate"),
    "two amounts": (TEXT.replace('"amount"', '"amount": "1", "amount"').encode(), "duplicate"),
    "NaN": (TEXT.replace('"39.90"', "NaN").encode(), "json_invalid"),
    "Infinity": (TEXT.replace('"39.90"', "-Infinity").encode(), "json_invalid"),
    "a long number": (TEXT.replace('"39.90"', "1" * 5000).encode(), "unreadable"),
    "many brackets": (b"[" * 100_000, "unreadable"),
    "something after it": (f"{TEXT}x".encode(), "json_invalid"),
    "NUL after it": (f"{TEXT}\0".encode(), "json_invalid"),
    "a second one": (f"{TEXT}{TEXT}".encode(), "json_invalid"),
    "a comment": (f"{TEXT}// x".encode(), "json_invalid"),
}


def test_a_body_is_json_in_one_way_only(api: httpx.Client, path: str) -> None:
    """RFC 8259, and RFC 7493, 2.3: a name is there once."""
    headers = {"content-type": "application/json"}
    for what, (body, code) in UNREADABLE.items():
        for answer in (
            api.post(BOOKS, content=body, headers=headers),
            api.patch(path, content=body, headers=headers),
        ):
            assert answer.status_code == 422, what
            [error] = answer.json()["errors"]
            assert (error["location"], error["code"]) == ("body", code), what
    for body in (b"\xef\xbb\xbf{}", b" \r\n\t{} \n"):
        assert api.patch(path, content=body, headers=headers).status_code == 200


PRICE = BOOK["price"]
PATCHES: list[tuple[Any, Any]] = [
    ({}, {}),
    ({"price": {"amount": "12.50"}}, {"price": {"amount": "12.50", "currency": "EUR"}}),
    ({"price": {"currency": "USD"}}, {"price": {"amount": "39.90", "currency": "USD"}}),
    ({"price": {}}, {}),
    ({"price": {"nothing": None}}, {}),
    ({"nothing": None, "price": {"amount": "1"}}, {"price": {"amount": "1.00", "currency": "EUR"}}),
    ({"published_on": "2008-08-01"}, {"published_on": "2008-08-01"}),
    ({"published_on": None}, {"published_on": None}),
    ({"authors": ["A", "B"]}, {"authors": ["A", "B"]}),
]
WRONG_PATCHES: list[tuple[Any, str]] = [
    ({"title": None}, "body/title"),
    ({"price": None}, "body/price"),
    ({"price": {"amount": None}}, "body/price/amount"),
    ({"price": {"currency": None}}, "body/price/currency"),
    ({"price": {"currency": "JPY"}}, "body/price"),  # 39.90 is no amount of yen
    ({"price": {"amount": "1.234"}}, "body/price"),
    ({"price": {"canary": 1}}, "body/price"),
    ({"canary": 1}, "body"),
    ({"authors": [None]}, "body/authors/0"),
    ({"authors": {"0": "A"}}, "body/authors"),
    ([], "body"),
    (None, "body"),
    ("canary", "body"),
]


def test_a_merge_patch_is_merged(api: httpx.Client) -> None:
    for patch, expected in PATCHES:
        execute_all(api)
        created = api.post(BOOKS, json=BOOK)
        answer = api.patch(created.headers["location"], json=patch)
        assert answer.status_code == 200, (patch, answer.text)
        changed = created.json() | expected | {"updated_at": answer.json()["updated_at"]}
        assert answer.json() == changed


def test_a_merge_patch_of_what_a_book_must_have_is_rejected(api: httpx.Client, path: str) -> None:
    before = api.get(path)
    for patch, field in WRONG_PATCHES:
        answer = api.patch(path, json=patch)
        assert answer.status_code == 422, patch
        assert answer.json()["errors"][0]["location"] == field
        assert "canary" not in answer.text
    after = api.get(path)
    assert (after.json(), after.headers["etag"]) == (before.json(), before.headers["etag"])


# Parameters


WRONG_QUERIES = {
    "limit=1_0": "query/limit", "limit=+10": "query/limit", "limit=%2B10": "query/limit",
    "limit=%2010": "query/limit", "limit=10%20": "query/limit", "limit=1e1": "query/limit",
    "limit=%D9%A3": "query/limit", "limit=10.0": "query/limit", "limit=010": "query/limit",
    "limit=0x1": "query/limit", "limit=": "query/limit", "limit=%EF%BC%91": "query/limit",
    "limit=1&limit=2": "query/limit", "isbn=9780132350884&isbn=9780132350884": "query/isbn",
    "canary=1": "query", "limit=1&canary": "query", "LIMIT=1": "query", "limit[]=1": "query",
    "=canary": "query",
}  # fmt: skip


def test_no_parameter_is_guessed_at_or_ignored(api: httpx.Client, path: str) -> None:
    for query, field in WRONG_QUERIES.items():
        answer = api.get(f"{BOOKS}?{query}")
        assert answer.status_code == 422, query
        assert [error["location"] for error in answer.json()["errors"]] == [field], query
        assert "canary" not in answer.text
        assert not answer.json()["errors"][0]["message"].startswith("Value error")
    for method in ("GET", "HEAD", "PATCH", "DELETE"):
        assert api.request(method, f"{path}?canary=1").status_code == 422
    assert api.post(f"{BOOKS}?canary=1", json=BOOK).status_code == 422
    for limit in ("1", "10", "100"):
        assert api.get(f"{BOOKS}?limit={limit}").status_code == 200


def test_an_id_has_one_form(api: httpx.Client, path: str) -> None:
    id_ = path.rpartition("/")[2]
    assert api.get(f"{BOOKS}/{id_.upper()}").status_code == 200
    for other in (id_.replace("-", ""), f"{{{id_}}}", f"urn:uuid:{id_}", f"{id_}%20"):
        assert api.get(f"{BOOKS}/{other}").status_code == 422, other


def test_no_message_names_the_library(api: httpx.Client, path: str) -> None:
    wrong = BOOK | {"isbn": "1", "title": "\u200b", "price": {"amount": "1", "currency": "XXX"}}
    wrong["published_on"] = "x"
    for answer in (
        api.post(BOOKS, json=wrong),
        api.patch(path, json=wrong),
        api.patch(path, json={"price": {"currency": "XXX"}}),
        api.get(f"{BOOKS}?isbn=1"),
    ):
        errors = answer.json()["errors"]
        assert errors
        for error in errors:
            assert not error["message"].startswith(("Value error", "Assertion")), error


# Pages of other sites


@pytest.fixture(params=[(SHOP,), (SHOP, "http://localhost:3000"), ("*",)], ids=len)
def shop_settings(request: pytest.FixtureRequest, sqlite_settings: Settings) -> Settings:
    return sqlite_settings.model_copy(update={"cors_origins": request.param})


def test_a_page_may_read_why_its_request_was_rejected(shop_settings: Settings) -> None:
    """Answers of the server, which come from in front of the app: 400, 414, 417, 431, 501."""
    origins = shop_settings.cors_origins
    allowed = "*" if "*" in origins else SHOP
    early = {
        "a: " + "b" * 40_000: 431, "host: a": 400, "expect: x": 417, "content-length: x": 400,
    }  # fmt: skip
    with served(app_of(shop_settings), shop_settings) as client:
        for lines, status in early.items():
            answer = ask_raw(client, f"GET {BOOKS} HTTP/1.1\nhost: a\norigin: {SHOP}\n{lines}")
            assert answer.status == status
            assert answer.header("access-control-allow-origin") == allowed, lines[:20]
            assert answer.header("access-control-expose-headers") == EXPOSED_HEADERS
        foreign = ask_raw(client, f"GET {BOOKS} HTTP/1.1\nhost: a b\norigin: https://evil.example")
        known = "*" if "*" in origins else None
        assert foreign.header("access-control-allow-origin") == known
        # Its origin has not arrived: known where one page only may ask.
        early_target = ask_raw(client, f"GET /{'a' * 40_000} HTTP/1.1\nhost: a\norigin: {SHOP}")
        assert early_target.status == 414
        if origins == (SHOP,):
            assert early_target.header("access-control-allow-origin") == SHOP


# The internal port


def test_the_internal_port_keeps_the_same_rules(start: StartProcess) -> None:
    process = start(None).wait_until_ready()
    with httpx.Client(base_url=process.internal_url, timeout=20) as client:
        for target in ("/livez", "/readyz", "/health", "/version", "/metrics"):
            assert client.head(target).status_code == 200
            assert client.options(target).headers["allow"] == "GET, HEAD, OPTIONS"
            wrong = client.post(target)
            assert (wrong.status_code, wrong.json()["status"]) == (405, 405)
        assert client.get("/nothing").json()["status"] == 404
        for accept in (
            "text/plain;version=x", "application/openmetrics-text;version=x", "text/plain;q=x",
            "application/openmetrics-text;version=1.0.0;escaping=\xff", ";;;", "a/b",
            "text/plain;version",
            "application/openmetrics-text;q=0, text/plain", "text/html", "text/plain;version=9.9.9",
            "application/openmetrics-text;version=99.0.0",
        ):  # fmt: skip
            page = client.get("/metrics", headers=[(b"accept", accept.encode("latin-1"))])
            assert page.status_code == 200, accept
            assert page.headers["vary"] == "Accept"
            assert page.headers["content-type"].startswith("text/plain; version=0.0.4") == (
                "version=1.0.0" not in accept
            ), accept
    for line in process.lines():
        assert line["level"] not in {"error", "critical"}, line
