"""Pseudonyms for what logs distinguish but never show: client addresses, rejected tokens.

The same text has the same pseudonym while the key is the same, and only who knows the key can check
whether a pseudonym stands for a guessed text.
"""

import hmac
import secrets
from functools import lru_cache

HEX_DIGITS = 16
_PURPOSE = b"bookstore-api: pseudonyms in logs"


class _Key:
    """The key of this process: a random one, which ends with it, until one is derived."""

    current = secrets.token_bytes(32)


def derive_key(secret: str | None) -> None:
    """Use a key derived from a secret that all processes share, else keep a random one.

    Pseudonyms are then the same in every process and after a restart, until the secret changes.
    """
    if secret:
        _Key.current = hmac.digest(secret.encode(), _PURPOSE, "sha256")


def pseudonym(text: str) -> str:
    """Return 16 hexadecimal digits that stand for `text` (HMAC-SHA256)."""
    return _digest(_Key.current, text)


@lru_cache(maxsize=4096)
def _digest(key: bytes, text: str) -> str:
    # A client's bytes may have become lone surrogates, which only this way of encoding takes.
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256").hex()[:HEX_DIGITS]
