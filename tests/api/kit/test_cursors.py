"""Cursors: they survive their text, and a made-up one is an invalid request."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookstore_api.kit.pagination import SortKey, decode_cursor, encode_cursor
from bookstore_api.kit.problems import InvalidRequestError


@given(st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=200), st.uuids())
def test_a_cursor_survives_its_text(text: str, id_: UUID) -> None:
    assert decode_cursor(encode_cursor(SortKey(text, id_))) == SortKey(text, id_)


@given(
    st.one_of(
        st.text(), st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
    )
)
def test_what_is_no_cursor_is_an_invalid_request(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        decode_cursor(text)


@pytest.mark.parametrize(
    "cursor", ["WyJcdWQ4MDAiLCIwMDAwMDAwMDAwMDA3MDAwODAwMDAwMDAwMDAwMDAwMCJd", "W1tbW1tb" * 200]
)
def test_a_hostile_cursor_is_an_invalid_request(cursor: str) -> None:
    with pytest.raises(InvalidRequestError):
        decode_cursor(cursor)
