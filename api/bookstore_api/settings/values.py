"""The types of settings. No message repeats a value, which may be a secret."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, IPvAnyNetwork, SecretStr
from pydantic_settings import NoDecode

from bookstore_api.settings.key_set import parse_key_set
from bookstore_api.settings.webhook_secrets import parse_webhook_secrets
from bookstore_api.uris.database import parse_database_uri
from bookstore_api.uris.redis import parse_redis_uri
from bookstore_api.uris.smtp import parse_smtp_uri

ANY_ORIGIN = "*"

# As RFC 6454 writes an origin: a scheme, a host and perhaps a port, and no more than that.
_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?")
# What fits into an Authorization header after "Bearer" (RFC 6750).
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_RATE_LIMIT = re.compile(r"off|[1-9][0-9]{0,8}/(second|minute|hour)")
_MAIL_FROM = re.compile(r"[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9.-]{1,190}")
_PUBLIC_URL = re.compile(
    r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Unreadable:
    """Stands for the value of a secret that exists and can't be read."""

    problem: str


class Environment(StrEnum):
    """Where this process runs. The container image says production."""

    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"

    @classmethod
    def _missing_(cls, value: object) -> "Environment | None":
        """Accept the names in any case, and their short forms."""
        word = value.strip().lower() if isinstance(value, str) else ""
        word = {"dev": "development", "prod": "production"}.get(word, word)
        return next((member for member in cls if member == word), None)


def _require(condition: object, problem: str) -> None:
    if not condition:
        raise ValueError(problem)


def _lower(value: object) -> object:
    """Accept words in any case."""
    return value.strip().lower() if isinstance(value, str) else value


def _encodable(value: object) -> object:
    """Reject what Python makes of a variable that is not UTF-8: nothing could print it."""
    lone_surrogates = isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value)
    _require(not lone_surrogates, "It must be text in UTF-8.")
    return value


def _listed(value: object) -> tuple[Any, ...]:
    """Split a variable at its commas."""
    if isinstance(value, str):
        return tuple(item for part in value.split(",") if (item := part.strip()))
    if isinstance(value, list | tuple):
        return tuple(value)
    msg = "It must be a list."
    raise ValueError(msg)


def _origins(value: object) -> tuple[str, ...]:
    origins = tuple(str(item).lower() for item in _listed(value))
    _require(
        all(origin == ANY_ORIGIN or _ORIGIN.fullmatch(origin) for origin in origins),
        "Each must be an origin, a scheme and a host without a path, such as "
        "https://shop.example.com.",
    )
    return origins


def _rate_limit(value: object) -> object:
    problem = "It must be a number a second, minute or hour, such as 600/minute, or off."
    _require(not isinstance(value, str) or _RATE_LIMIT.fullmatch(value), problem)
    return value


def _secret(check: Callable[[str], object]) -> BeforeValidator:
    """Accept one line of text that passes a check, which raises ValueError."""

    def validate(value: object) -> str:
        if isinstance(value, Unreadable):
            raise ValueError(value.problem)
        text = value.get_secret_value() if isinstance(value, SecretStr) else _encodable(value)
        text = text.strip() if isinstance(text, str) else ""
        _require(text, "It must be a text that is not blank.")
        _require(
            not _CONTROL.search(text), "It must be one line of text without control characters."
        )
        check(text)
        return text

    return BeforeValidator(validate)


def _check_token(text: str) -> None:
    problem = "It must be letters, digits and -._~+/ only, such as `openssl rand -hex 32` prints."
    _require(_TOKEN.fullmatch(text), problem)


def _mail_from(value: object) -> object:
    matches = not isinstance(value, str) or _MAIL_FROM.fullmatch(value)
    _require(matches, "It must be an address such as shop@example.com.")
    return value


def _public_url(value: object) -> object:
    problem = "It must be a URL without a query, such as https://shop.example."
    _require(not isinstance(value, str) or _PUBLIC_URL.fullmatch(value), problem)
    return value.rstrip("/") if isinstance(value, str) else value


Word = BeforeValidator(_lower)
Text = Annotated[str, BeforeValidator(_encodable)]
Folder = Annotated[Path, BeforeValidator(_encodable)]
Host = Annotated[Text, Field(pattern=r"^[^\s/]+$")]
Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)]
RateLimit = Annotated[str, BeforeValidator(_rate_limit)]
Origins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_origins)]
Networks = Annotated[tuple[IPvAnyNetwork, ...], NoDecode, BeforeValidator(_listed)]
DatabaseUri = Annotated[SecretStr, _secret(parse_database_uri)]
RedisUri = Annotated[SecretStr, _secret(parse_redis_uri)]
StaffToken = Annotated[SecretStr, _secret(_check_token)]
SigningKeys = Annotated[SecretStr, _secret(parse_key_set)]
WebhookSecrets = Annotated[SecretStr, _secret(parse_webhook_secrets)]
SmtpUri = Annotated[SecretStr, _secret(parse_smtp_uri)]
MailFrom = Annotated[str, BeforeValidator(_mail_from)]
PublicUrl = Annotated[str, BeforeValidator(_public_url)]
