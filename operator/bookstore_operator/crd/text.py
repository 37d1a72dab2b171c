"""Fit text from outside into the fields that hold it: the one place where text is cut.

The API server's errors, termination messages of containers and messages of other controllers have
any length and any content. A field that can't hold them must not make a write fail.
"""

import unicodedata
from typing import Annotated

from pydantic import BeforeValidator, Field

MESSAGE_LENGTH = 4096
"""Of a condition's message by the CRD, in characters; metav1.Condition allows 32768."""
QUOTE_LENGTH = 2000
"""Of another program's text within a message, in characters: the advice after it must fit too."""
REVISION_LENGTH = 100
NOTE_BYTES = 1024
"""Of an Event's note, in bytes: the API server's limit."""
_OVERRIDES = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def fit(text: str, length: int = QUOTE_LENGTH) -> str:
    """Return text as valid Unicode without controls, cut to a length in characters.

    Escape sequences would reach the terminals of those who read a status. Line ends and tabs stay;
    what changes the direction of text, as in Trojan Source, does not.
    """
    cut = text if len(text) <= length else f"{text[: length - 1]}…"
    return cut if cut.isascii() and cut.isprintable() else "".join(map(_visible, cut))


def _visible(character: str) -> str:
    """Return a character, or a replacement for a control, a surrogate or a bidi control."""
    bidirectional = unicodedata.bidirectional(character)
    hidden = unicodedata.category(character) in {"Cc", "Cs"} or bidirectional in _OVERRIDES
    return _REPLACEMENT if hidden and character not in "\n\t" else character


def fit_bytes(text: str, size: int = NOTE_BYTES) -> str:
    """Return text as valid Unicode without NUL, cut to a size in bytes of UTF-8."""
    valid = fit(text, size)
    encoded = valid.encode()
    if len(encoded) <= size:
        return valid
    return f"{encoded[: size - 3].decode(errors='ignore')}…"


def _fit_message(value: object) -> object:
    return fit(value, MESSAGE_LENGTH) if isinstance(value, str) else value


Message = Annotated[str, BeforeValidator(_fit_message), Field(max_length=MESSAGE_LENGTH)]
"""A message for people: cut where it is too long, also when it is read."""
