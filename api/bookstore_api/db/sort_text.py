"""What text is sorted by: stored beside it, so that both databases sort alike.

Stored keys are those of the code that wrote them. So a change of `to_sort_text` comes with a
revision on each branch that calls `operations.recompute_sort_text`.
"""

import unicodedata

SORT_TEXT_LENGTH = 200

# Unicode's Default_Ignorable_Code_Point: characters without a form of their own.
_IGNORABLE_RANGES = (
    (0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5),
    (0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164),
    (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
IGNORABLE = frozenset(
    chr(code) for first, last in _IGNORABLE_RANGES for code in range(first, last + 1)
)


def to_sort_text(text: str) -> str:
    """Make what a text is sorted by: letters without case and accents, so that É is near E.

    Cut off at SORT_TEXT_LENGTH: a database's index has room for no more, and one character may
    become eighteen here. What is equal here is ordered by its ids.
    """
    return fold_text(text)[:SORT_TEXT_LENGTH]


def fold_text(text: str) -> str:
    """Return a text without case and accents."""
    decomposed = unicodedata.normalize("NFKD", nfkc_casefold(text))
    bare = "".join(char for char in decomposed if not unicodedata.combining(char))
    return nfkc_casefold(bare)


def nfkc_casefold(text: str) -> str:
    """Apply Unicode's NFKC_Casefold (The Unicode Standard, 3.13, R5).

    Normalizing makes capitals of characters that have no case (`№` → `No`), and folding case makes
    text that is not normalized, so both are repeated until nothing changes: twice at most.
    """
    if text.isascii():
        return text.lower()
    folded = "".join(char for char in text if char not in IGNORABLE)
    while (again := unicodedata.normalize("NFKC", folded.casefold())) != folded:
        folded = again
    return folded
