"""Layers add headers to an answer without changing the app's own list."""

from starlette.types import Message

from bookstore_api.web.middleware.answer_headers import add_headers


def test_a_response_that_is_sent_twice_gets_each_header_once() -> None:
    own = [(b"etag", b'"1"')]
    for _ in range(2):
        start: Message = {"type": "http.response.start", "headers": own}
        add_headers(start, (b"a", b"1"))
        add_headers(start, (b"b", b"2"), (b"c", b"3"))
        assert start["headers"] == [*own, (b"a", b"1"), (b"b", b"2"), (b"c", b"3")]
    assert own == [(b"etag", b'"1"')]


def test_the_list_is_copied_for_the_first_layer_only() -> None:
    start: Message = {"type": "http.response.start", "headers": []}
    add_headers(start, (b"a", b"1"))
    copy = start["headers"]
    add_headers(start, (b"b", b"2"))
    assert start["headers"] is copy
