"""Text that people write, and what is taken of it.

Invisible characters make two titles look alike that are not, and controls of direction reorder the
text around them (Unicode Technical Standard 55). Those that some scripts need are taken where they
are needed.
"""

import json
import re
import unicodedata
from typing import Any

from bookstore_api.db.sort_text import IGNORABLE
from bookstore_api.db.stored import read_text

# Persian and Indic scripts join or separate letters by these, and emoji are joined by the second.
_JOINERS = frozenset("\u200c\u200d")
# They choose one of several forms of the character before them, such as that of an emoji.
_SELECTORS = frozenset(
    chr(code)
    for first, last in ((0x180B, 0x180D), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
    for code in range(first, last + 1)
)
# Marks of direction: invisible letters, so to speak, that embed and override nothing.
_MARKS = frozenset("\u200e\u200f\u061c")
# Flags of regions: a black flag, tags that spell the region, and a tag that ends it (UTS 51).
_TAGGED_FLAG = re.compile("\U0001f3f4[\U000e0061-\U000e007a\U000e0030-\U000e0039]{1,6}\U000e007f")
_ANNOTATIONS = frozenset("\ufff9\ufffa\ufffb")
_VIRAMA = 9  # the combining class of signs that join the letter before them to the next
_BLANK = "\N{BRAILLE PATTERN BLANK}"


def one_line(text: str) -> str:
    """Return a text that is a line people can see, as it is; raises ValueError for any other.

    Control characters include NUL, which PostgreSQL can't store.
    """
    if any(unicodedata.category(char) in {"Cc", "Zl", "Zp"} for char in text):
        msg = "No control characters are allowed"
        raise ValueError(msg)
    if not any(map(_is_visible, text)):
        msg = "At least one visible character is needed"
        raise ValueError(msg)
    untagged = _TAGGED_FLAG.sub("\U0001f3f4", text)
    if any(_is_hidden(untagged, place) for place in range(len(untagged))):
        msg = "No invisible characters or direction controls are allowed"
        raise ValueError(msg)
    return text


def many_lines(text: str) -> str:
    """Return a text of several lines, each of which is blank or as `one_line` takes it."""
    for line in text.replace("\r\n", "\n").split("\n"):
        if line.strip():
            one_line(line.replace("\t", " "))
    return text.replace("\r\n", "\n")


def show_texts(stored: Any) -> list[str]:
    """Return the texts of a stored list; whatever else the JSON is, as text."""
    if stored is None:
        return []
    return [_show_text(item) for item in (stored if isinstance(stored, list) else [stored])]


def _show_text(item: Any) -> str:
    if not isinstance(item, str):
        try:
            item = json.dumps(item, ensure_ascii=False)
        except RecursionError:
            item = "…"
    return str(read_text(item))


def _is_visible(char: str) -> bool:
    return not (char in IGNORABLE or char in _ANNOTATIONS or char == _BLANK or char.isspace())


def _is_hidden(text: str, place: int) -> bool:
    """Whether the character there is invisible, and not one that its neighbors need."""
    char = text[place]
    if char not in IGNORABLE:
        return char in _ANNOTATIONS
    if char in _MARKS:
        return not any(
            unicodedata.bidirectional(other) in {"R", "AL"} for other in text if other not in _MARKS
        )
    before, after = text[max(place - 1, 0) : place], text[place + 1 : place + 2]
    if char in _SELECTORS:
        return not _takes_forms(before)
    if char in _JOINERS:
        if before and unicodedata.combining(before) == _VIRAMA:
            return False
        joined = _takes_forms(before) or before in _SELECTORS
        return not (joined and _takes_forms(after))
    return True


def _takes_forms(char: str) -> bool:
    """Whether a character is visible and of a script that joiners and selectors are for."""
    if not char or not _is_visible(char):
        return False
    return not unicodedata.name(char, "").startswith(("LATIN", "GREEK", "CYRILLIC"))
