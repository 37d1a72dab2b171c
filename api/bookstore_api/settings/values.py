"""The kinds of values that a setting can have. No message repeats a value: it may be a secret."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, IPvAnyNetwork, SecretStr
from pydantic_settings import NoDecode

from bookstore_api.settings.mounted import Unreadable
from bookstore_api.uris.database import parse_database_uri
from bookstore_api.uris.redis import parse_redis_uri

ANY_ORIGIN = "*"

# As RFC 6454 writes an origin: a scheme, a host and perhaps a port, and no more than that.
_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?", re.IGNORECASE)
# What fits into an Authorization header after "Bearer" (RFC 6750).
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_RATE_LIMIT = re.compile(r"off|[1-9][0-9]{0,8}/(second|minute|hour)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Environment(StrEnum):
    """Where this process runs. The container image says production."""

    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"

    @classmethod
    def _missing_(cls, value: object) -> "Environment | None":
        """Understand the names in whatever case they are written, and their short forms."""
        word = value.strip().lower() if isinstance(value, str) else ""
        word = {"dev": "development", "prod": "production"}.get(word, word)
        return next((each for each in cls if each == word), None)


def _lower(value: object) -> object:
    """Take words in whatever case they are written."""
    return value.strip().lower() if isinstance(value, str) else value


def _encodable(value: object) -> object:
    """Reject what Python makes of a variable that is not UTF-8: nothing could print it."""
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            msg = "It must be text in UTF-8."
            raise ValueError(msg) from None
    return value


def _listed(value: object) -> tuple[Any, ...]:
    """Split a variable at its commas; raises ValueError where it is no list in any form."""
    if isinstance(value, str):
        return tuple(part for each in value.split(",") if (part := each.strip()))
    if isinstance(value, list | tuple):
        return tuple(value)
    msg = "It must be a list."
    raise ValueError(msg)


def _origins(value: object) -> tuple[str, ...]:
    listed = tuple(str(each) for each in _listed(value))
    if not all(each == ANY_ORIGIN or _ORIGIN.fullmatch(each) for each in listed):
        msg = (
            "Each must be an origin, a scheme and a host without a path, such as "
            "https://shop.example.com."
        )
        raise ValueError(msg)
    return tuple(each.lower() for each in listed)


def _rate_limit(value: object) -> object:
    if isinstance(value, str) and not _RATE_LIMIT.fullmatch(value):
        msg = "It must be a number a second, minute or hour, such as 600/minute, or off."
        raise ValueError(msg)
    return value


def _text(value: object) -> str:
    """Return the text of a secret; raises ValueError where it has none, or more than a line."""
    if isinstance(value, Unreadable):
        raise ValueError(value.problem)
    text = value.get_secret_value() if isinstance(value, SecretStr) else _encodable(value)
    if not isinstance(text, str) or not text.strip():
        msg = "It must be a text that is not blank."
        raise ValueError(msg)
    if _CONTROL.search(text.strip()):
        msg = "It must be one line of text without control characters."
        raise ValueError(msg)
    return text.strip()


def _database_uri(value: object) -> str:
    uri = _text(value)
    parse_database_uri(uri)
    return uri


def _redis_uri(value: object) -> str:
    uri = _text(value)
    parse_redis_uri(uri)
    return uri


def _staff_token(value: object) -> str:
    token = _text(value)
    if not _TOKEN.fullmatch(token):
        msg = "It must be letters, digits and -._~+/ only, such as `openssl rand -hex 32` prints."
        raise ValueError(msg)
    return token


Word = BeforeValidator(_lower)
Text = Annotated[str, BeforeValidator(_encodable)]
Folder = Annotated[Path, BeforeValidator(_encodable)]
Host = Annotated[Text, Field(pattern=r"^[^\s/]+$")]
Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)]
RateLimit = Annotated[str, BeforeValidator(_rate_limit)]
Origins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_origins)]
Networks = Annotated[tuple[IPvAnyNetwork, ...], NoDecode, BeforeValidator(_listed)]
DatabaseUri = Annotated[SecretStr, BeforeValidator(_database_uri)]
RedisUri = Annotated[SecretStr, BeforeValidator(_redis_uri)]
StaffToken = Annotated[SecretStr, BeforeValidator(_staff_token)]
