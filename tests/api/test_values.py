"""The catalogue's pure functions."""

import re
import time
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookstore_api.kit.ids import new_id
from bookstore_api.kit.money import DECIMALS, from_minor_units, to_minor_units
from bookstore_api.kit.pagination import SortKey, decode_cursor, encode_cursor
from bookstore_api.kit.problems import InvalidRequestError
from bookstore_api.kit.text import SORT_TEXT_LENGTH, to_sort_text
from bookstore_api.shop.catalog.isbn import make_isbn, normalise_isbn


@pytest.mark.parametrize(
    ("text", "isbn"),
    [
        ("978-0-13-235088-4", "9780132350884"),
        ("9780132350884", "9780132350884"),
        ("0-13-235088-2", "9780132350884"),
        ("0-8044-2957-x", "9780804429573"),
        ("979 10 90636 07 1", "9791090636071"),
    ],
)
def test_an_isbn_has_one_form(text: str, isbn: str) -> None:
    assert normalise_isbn(text) == isbn


@pytest.mark.parametrize(
    "text",
    [
        "",
        "9780132350885",
        "0132350883",
        "1234567890123",
        "978013235088",
        "٩٧٨٠١٣٢٣٥٠٨٨٤",
        "X132350882",
    ],
)
def test_a_wrong_isbn_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Not an ISBN"):
        normalise_isbn(text)


@given(st.integers(0, 10**9 - 1))
def test_a_made_isbn_is_valid(number: int) -> None:
    assert normalise_isbn(make_isbn(number)) == make_isbn(number)


@given(st.integers(0, 2**63 - 1), st.sampled_from(sorted(DECIMALS)))
def test_money_survives_its_text(minor: int, currency: str) -> None:
    assert to_minor_units(from_minor_units(minor, currency), currency) == minor


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [("12.34", "EUR", 1234), ("12.3", "EUR", 1230), ("12", "JPY", 12), ("1.234", "KWD", 1234)],
)
def test_money_counts_in_the_smallest_unit(amount: str, currency: str, minor: int) -> None:
    assert to_minor_units(amount, currency) == minor


@pytest.mark.parametrize(("amount", "currency"), [("1.234", "EUR"), ("1.2", "JPY"), ("1", "XXX")])
def test_money_that_does_not_exist_is_refused(amount: str, currency: str) -> None:
    with pytest.raises(ValueError, match=r"decimals|currency"):
        to_minor_units(amount, currency)


def test_titles_sort_without_case_and_accents() -> None:
    titles = ["Zola", "émile", "Emil", "eMILE ZOLA"]
    assert sorted(titles, key=to_sort_text) == ["Emil", "émile", "eMILE ZOLA", "Zola"]


@given(st.text(max_size=300))
def test_a_sort_title_fits_into_its_column(title: str) -> None:
    assert len(to_sort_text(title)) <= SORT_TEXT_LENGTH


def test_new_ids_are_uuids_of_version_7_in_order_of_time() -> None:
    before = time.time_ns() // 1_000_000
    id_ = new_id()
    after = time.time_ns() // 1_000_000
    assert re.fullmatch(
        r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", str(id_)
    )
    assert before <= id_.int >> 80 <= after
    assert len({new_id() for _ in range(1000)}) == 1000


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
