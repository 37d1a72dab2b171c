"""Made-up books for demonstrations: of a number, always the same book. Pure functions."""

from collections.abc import Sequence

from bookstore_api.shop.catalog.csv_format import COLUMNS, Row, ValidRow, parse_row
from bookstore_api.shop.catalog.isbn import make_isbn

MAX_BOOKS = 10_000_000
_ADJECTIVES = (
    "Silent", "Amber", "Distant", "Hidden", "Broken", "Northern", "Golden", "Quiet", "Last",
    "Burning",
)  # fmt: skip
_NOUNS = (
    "River", "Harbor", "Garden", "Mountain", "Letter", "Winter", "Library", "Compass", "Orchard",
    "Signal",
)  # fmt: skip
_SUBJECTS = (
    "Time", "Glass", "Salt", "Memory", "Stone", "Rain", "Silver", "Paper", "Light", "Iron",
)  # fmt: skip
_FIRST = (
    "Ada", "Björn", "Chinua", "Dolores", "Élodie", "Farid", "Grace", "Hiroshi", "Ingrid", "José",
)  # fmt: skip
_LAST = (
    "Achebe", "Bergman", "Castellanos", "Dubois", "Eriksson", "Fontaine", "Ghosh", "Haruki",
    "Ivanova", "Keller",
)  # fmt: skip
_PUBLISHERS = ("Harbor Press", "North & Sons", "Éditions du Lac", "Quill House", "Meridian")
_LANGUAGES = ("en", "fr", "de", "es", "pt-BR")


def make_row(number: int) -> ValidRow:
    """Make the book of a number below MAX_BOOKS."""
    title = f"The {_pick(_ADJECTIVES, number)} {_pick(_NOUNS, number // 10)}"
    subject = _pick(_SUBJECTS, number // 100)
    year, month, day = 1950 + number % 75, number % 12 + 1, number % 28 + 1
    cells = {
        "isbn": make_isbn(number),
        "title": f"{title} of {subject}" + (f", Vol. {number // 1000}" if number >= 1000 else ""),
        "authors": f"{_pick(_FIRST, number // 7)} {_pick(_LAST, number // 11)}",
        "amount": f"{number % 40 + 5}.{number % 100:02}",
        "currency": "EUR",
        "published_on": f"{year}-{month:02}-{day:02}",
        "description": f"A story of {subject.lower()}, told {number % 9 + 1} times.",
        "language": _pick(_LANGUAGES, number // 3),
        "publisher": _pick(_PUBLISHERS, number),
    }
    assert cells.keys() == set(COLUMNS)  # noqa: S101 - a new column is to be made up, too
    row = parse_row(Row(number + 1, cells))
    assert isinstance(row, ValidRow)  # noqa: S101 - made so
    return row


def _pick(choices: Sequence[str], number: int) -> str:
    return choices[number % len(choices)]
