"""What text is taken, and what it is sorted by."""
# ruff: noqa: RUF001 - letters that look like others are what it is about

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookstore_api.db.sort_text import SORT_TEXT_LENGTH, nfkc_casefold, to_sort_text
from bookstore_api.kit.text import one_line
from bookstore_api.shop.catalog.isbn import make_isbn

BOOKS = "/api/v1/books"


def test_titles_sort_without_case_and_accents() -> None:
    titles = ["Zola", "émile", "Emil", "eMILE ZOLA"]
    assert sorted(titles, key=to_sort_text) == ["Emil", "émile", "eMILE ZOLA", "Zola"]


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("№ 44", "no 44"), ("™", "tm"), ("㎏", "kg"), ("Ⅷ", "viii"), ("ＡＢ", "ab"),
        ("ẞ", "ss"), ("ǅ", "dž"), ("ﬁ", "fi"), ("𝔄", "a"), ("A\u200bB", "ab"), ("\ufeffa", "a"),
        ("Å", "å"), ("Σς", "σσ"), ("\u0345", "ι"), ("K", "k"), ("Æ", "æ"),
    ],
)  # fmt: skip
def test_text_is_folded_as_unicode_has_it(text: str, folded: str) -> None:
    """NFKC_Casefold by the Unicode Character Database."""
    assert nfkc_casefold(text) == folded


@given(st.text(max_size=300))
def test_a_sort_title_fits_into_its_column(title: str) -> None:
    assert len(to_sort_text(title)) <= SORT_TEXT_LENGTH


@given(st.text(max_size=20))
def test_what_is_sorted_by_has_no_case_left(title: str) -> None:
    key = to_sort_text(title)
    assert key == to_sort_text(key) == nfkc_casefold(key)
    assert key == to_sort_text(title.casefold())


def test_symbols_sort_by_their_letters(api: httpx.Client) -> None:
    titles = ["№ 44", "Aardvark", "Ⅷ", "Zebra", "㎏", "𝔄bc"]
    for number, title in enumerate(titles):
        assert api.post(BOOKS, json=book(title, number)).status_code == 201
    shown = [item["title"] for item in api.get(BOOKS).json()["items"]]
    assert shown == ["Aardvark", "𝔄bc", "㎏", "№ 44", "Ⅷ", "Zebra"]


def book(title: str, number: int = 1, author: str = "A") -> dict[str, object]:
    price = {"amount": "1", "currency": "EUR"}
    return {"isbn": make_isbn(number), "title": title, "authors": [author], "price": price}


INVISIBLE = (
    "\u200b", "\u200b\u200c\u200d", "\ufeff", "\u2060", "\u00ad", "\u202e", "\u2066\u2069",
    "\u200f", "\u3164", "\u115f\u1160", "\uffa0", "\u2800", "\u180e", "\U000e0041", "\ufe0f",
    "\u00a0", "\u3000", "\u2800 \u200b", "\u034f", "\u061c", "\ufff9",
)  # fmt: skip
HIDDEN = (
    "Clean\u200b Code", "\ufeffClean", "Clean\u00adCode", "\u202eedoC naelC",
    "Clean \u2066Code\u2069", "Clean\u200dCode", "Clean\u200f Code", "Clean\ufe0f",
    "C\U000e0100", "a\u2060b", "a\u180eb",
    "a\u3164b", "\u200dא", "א\u202eב", "a\U000e0062", "👩\u200d", "\u200d👩", "👩\u200d\u200d💻",
)  # fmt: skip
VISIBLE = (
    "Clean Code", "می\u200cخواهم", "क्\u200dष", "ന്\u200d", "👩\u200d💻", "❤️", "1️⃣", "🏳️\u200d🌈",
    "\u200fעברית", "עברית\u200e (1984)", "👩🏽\u200d❤️\u200d💋\u200d👨", "é", "e\u0301", "…",
    "葛\U000e0100飾区", "日本語", "🦊", "\u0301", "ᠮᠣᠩᠭᠣᠯ",
)  # fmt: skip


def test_text_that_nobody_can_see_is_rejected() -> None:
    for text in INVISIBLE:
        with pytest.raises(ValueError, match="At least one visible character is needed"):
            one_line(text)
    for text in HIDDEN:
        with pytest.raises(ValueError, match="No invisible characters or direction controls"):
            one_line(text)
    for text in ("a\0b", "a\nb", "a\x85b", "a\u2028b", "a\u2029b", "\x7f"):
        with pytest.raises(ValueError, match="No control characters"):
            one_line(text)
    for text in VISIBLE:
        assert one_line(text) == text


def test_a_book_has_a_title_and_authors_that_can_be_seen(api: httpx.Client) -> None:
    for text in ("\u200b", "\u202eedoC", "Clean\u200b Code", " \u00ad "):
        for wrong, field in ((book(text), "body/title"), (book("A", 1, text), "body/authors/0")):
            answer = api.post(BOOKS, json=wrong)
            assert answer.status_code == 422, ascii(text)
            [error] = answer.json()["errors"]
            assert error["location"] == field
            assert error["message"].startswith(("At least one visible", "No invisible characters"))
    created = api.post(BOOKS, json=book("A"))
    changed = api.patch(created.headers["location"], json={"title": "\u2066"})
    assert changed.status_code == 422


@pytest.mark.parametrize("region", ["gbeng", "gbsct", "gbwls", "usca"])
def test_a_flag_of_a_region_is_a_character(region: str) -> None:
    """It is spelled by tags, which are invisible elsewhere (Unicode Technical Standard 51)."""
    tags = "".join(chr(0xE0000 + ord(letter)) for letter in region)
    flag = f"\U0001f3f4{tags}\U000e007f"
    assert one_line(f"On {flag}") == f"On {flag}"
    for hidden in (f"A{tags}\U000e007f", f"\U0001f3f4{tags}", "\U0001f3f4\U000e007f", flag + tags):
        with pytest.raises(ValueError, match="invisible"):
            one_line(hidden)
