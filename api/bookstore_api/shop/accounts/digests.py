"""Secrets that are given out once, and the digests that are stored of them. Pure."""

import hmac
import secrets
from hashlib import sha256

_BYTES = 32


def new_secret() -> str:
    """Make a secret of 256 bits, which no digest of it leads back to."""
    return secrets.token_urlsafe(_BYTES)


def digest(text: str) -> str:
    """Return what is stored of a secret: 64 hexadecimal digits (SHA-256)."""
    return sha256(text.encode()).hexdigest()


def new_salt() -> str:
    """Make what a token's successor is derived by."""
    return secrets.token_hex(_BYTES)


def successor(token: str, salt: str) -> str:
    """Derive the token that follows another one: the same each time it is asked for.

    Neither the token alone nor the database alone leads to it.
    """
    return hmac.digest(token.encode(), salt.encode(), "sha256").hex()
