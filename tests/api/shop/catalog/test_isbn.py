"""ISBN: one form of each, and no wrong one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookstore_api.shop.catalog.isbn import make_isbn, normalize_isbn


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
    assert normalize_isbn(text) == isbn


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
def test_a_wrong_isbn_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="Not an ISBN"):
        normalize_isbn(text)


@given(st.integers(0, 10**9 - 1))
def test_a_made_isbn_is_valid(number: int) -> None:
    assert normalize_isbn(make_isbn(number)) == make_isbn(number)
