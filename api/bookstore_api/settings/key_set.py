"""The keys that access tokens are signed with, as the mounted secret `signing/keys` lists them.

One line of JSON: `{"signing": KID, "keys": {KID: 64 hexadecimal digits or more, …}}`. Tokens are
verified with any key of the set, and signed with one. A key is rotated in three steps, so that no
valid token is ever refused: it is added (published), becomes the signing one once every process
has loaded it, and the one before it is removed when no token that it signed is valid any more.
"""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

KID = re.compile(r"[A-Za-z0-9_-]{1,64}")
KEY = re.compile(r"(?:[0-9a-f]{2}){32,64}")
MAX_KEYS = 8
FORM = (
    'It must be one line of JSON like {"signing": "k1", "keys": {"k1": "…"}}, each key what '
    "`openssl rand -hex 32` prints."
)


@dataclass(frozen=True)
class KeySet:
    """Keys by their id, and the id of the one to sign with."""

    signing: str
    keys: Mapping[str, bytes]

    @property
    def kids(self) -> list[str]:
        """The ids of all keys, sorted."""
        return sorted(self.keys)


def parse_key_set(text: str) -> KeySet:
    """Read a key set; raises ValueError, which repeats nothing of it."""
    try:
        document = json.loads(text)
        signing, keys = document["signing"], document["keys"]
        valid = (
            document.keys() == {"signing", "keys"}
            and isinstance(signing, str)
            and isinstance(keys, dict)
            and 0 < len(keys) <= MAX_KEYS
            and all(KID.fullmatch(kid) for kid in keys)
            and all(isinstance(key, str) and KEY.fullmatch(key) for key in keys.values())
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        valid = False
    if not valid:
        raise ValueError(FORM)
    if signing not in keys:
        msg = "The signing key is not among its keys."
        raise ValueError(msg)
    return KeySet(signing, {kid: bytes.fromhex(key) for kid, key in keys.items()})


def random_key_set() -> KeySet:
    """Make a key set that ends with this process: its tokens are worth nothing elsewhere."""
    kid = secrets.token_hex(4)
    return KeySet(kid, {kid: secrets.token_bytes(32)})
