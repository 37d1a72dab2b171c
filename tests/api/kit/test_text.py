"""What text is sorted by."""

from hypothesis import given
from hypothesis import strategies as st

from bookstore_api.kit.text import SORT_TEXT_LENGTH, to_sort_text


def test_titles_sort_without_case_and_accents() -> None:
    titles = ["Zola", "émile", "Emil", "eMILE ZOLA"]
    assert sorted(titles, key=to_sort_text) == ["Emil", "émile", "eMILE ZOLA", "Zola"]


@given(st.text(max_size=300))
def test_a_sort_title_fits_into_its_column(title: str) -> None:
    assert len(to_sort_text(title)) <= SORT_TEXT_LENGTH
