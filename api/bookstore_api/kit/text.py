"""Text that people write: what is taken of it, and what it is sorted by."""

import unicodedata

SORT_TEXT_LENGTH = 200


def one_line(text: str) -> str:
    """Text without control characters: NUL, which PostgreSQL can't store, is one of them."""
    if any(unicodedata.category(char) == "Cc" for char in text):
        msg = "No control characters are allowed"
        raise ValueError(msg)
    return text


def to_sort_text(text: str) -> str:
    """Make what a text is sorted by: letters without case and accents, so that É is near E.

    Cut off at SORT_TEXT_LENGTH: a database's index has room for no more, and one character may
    become eighteen here. What is equal here is ordered by its ids.
    """
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(char for char in decomposed if not unicodedata.combining(char))
    return unicodedata.normalize("NFKC", bare)[:SORT_TEXT_LENGTH]
