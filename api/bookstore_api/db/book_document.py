"""The words that a book is found by: stored beside it, so that both databases find the same.

Stored documents are those of the code that wrote them. So a change of `to_document` comes with a
revision on each branch that calls `operations.index_books`.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from bookstore_api.db.sort_text import fold_text
from bookstore_api.db.stored import read_text

# PostgreSQL indexes no document whose words take more than 1 MB, and no word of more than 2 KB.
MAX_DOCUMENT = 100_000
MAX_WORD = 100
MAX_NAME = 300
_WORD = re.compile(r"[^\W_]+")


def to_document(title: str, authors: Iterable[str], description: str | None) -> str:
    """Return the words of a book, without case, accents and punctuation, separated by spaces."""
    return " ".join(to_words(" ".join([title, *authors, description or ""])))[:MAX_DOCUMENT]


def to_words(text: str) -> Sequence[str]:
    """Return the words of a text as they are in documents."""
    return [word[:MAX_WORD] for word in _WORD.findall(fold_text(text))]


def author_names(stored: Any) -> tuple[str, ...]:
    """Return the names in a book's list that can be those of authors, each once."""
    names = stored if isinstance(stored, list) else [stored]
    texts = (str(read_text(name)).strip()[:MAX_NAME] for name in names if name is not None)
    return tuple(dict.fromkeys(text.replace("\0", "") for text in texts if text))
