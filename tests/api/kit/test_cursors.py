"""Cursors: they survive their text, are good for one list, and a made-up one is rejected."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookstore_api.kit.cursors import Cursors, Place
from bookstore_api.kit.problems import InvalidRequestError

KEY = b"k" * 32
LIST = Cursors([KEY], ("books", "title"))
KEYS = st.one_of(st.text(st.characters(codec="utf-8"), max_size=200), st.integers())
# As lists gave it out before cursors were signed.
UNSIGNED = "WyJjbGVhbiBjb2RlIiwiMDAwMDAwMDAwMDAwNzAwMDgwMDAwMDAwMDAwMDAwMDEiXQ"


@given(KEYS, st.uuids())
def test_a_cursor_survives_its_place(key: str | int, id_: UUID) -> None:
    assert LIST.decode(LIST.encode(Place(key, id_))) == Place(key, id_)


@given(
    st.one_of(
        st.text(), st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
    )
)
def test_what_is_no_cursor_is_an_invalid_request(text: str) -> None:
    for accepts_unsigned in (False, True):
        with pytest.raises(InvalidRequestError):
            Cursors([KEY], (), accepts_unsigned).decode(text)


@given(st.integers(0, 60), st.integers(1, 255))
def test_a_changed_cursor_is_an_invalid_request(place: int, change: int) -> None:
    cursor = bytearray(LIST.encode(Place("clean code", UUID(int=1))).encode())
    cursor[place] ^= change
    with pytest.raises(InvalidRequestError):
        LIST.decode(cursor.decode("latin-1"))


def test_a_cursor_is_good_for_its_own_list_only() -> None:
    cursor = LIST.encode(Place("a", uuid4()))
    for other in (Cursors([KEY], ("books", "price")), Cursors([b"other"], LIST.binding)):
        with pytest.raises(InvalidRequestError):
            other.decode(cursor)


def test_a_cursor_still_works_after_the_key_was_rotated() -> None:
    cursor = LIST.encode(Place("a", UUID(int=1)))
    rotated = Cursors([b"new", KEY], LIST.binding)
    assert rotated.decode(cursor) == Place("a", UUID(int=1))
    with pytest.raises(InvalidRequestError):
        LIST.decode(rotated.encode(Place("a", UUID(int=1))))


def test_a_cursor_of_before_they_were_signed_is_taken_where_lists_gave_them_out() -> None:
    id_ = UUID("00000000-0000-7000-8000-000000000001")
    assert Cursors([KEY], (), accepts_unsigned=True).decode(UNSIGNED) == Place("clean code", id_)
    with pytest.raises(InvalidRequestError):
        LIST.decode(UNSIGNED)


@pytest.mark.parametrize(
    "cursor", ["WyJcdWQ4MDAiLCIwMDAwMDAwMDAwMDA3MDAwODAwMDAwMDAwMDAwMDAwMCJd", "W1tbW1tb" * 200]
)
def test_a_hostile_cursor_is_an_invalid_request(cursor: str) -> None:
    with pytest.raises(InvalidRequestError):
        Cursors([KEY], (), accepts_unsigned=True).decode(cursor)
