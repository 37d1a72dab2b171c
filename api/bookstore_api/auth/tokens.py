"""Access tokens: JWTs (RFC 7519, RFC 9068) that an account sends with each request. Pure.

They are short-lived and checked without the database. The algorithm is not the token's to choose:
one is allowed (RFC 8725, 3.1), and so are one type, one issuer and one audience.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import jwt

from bookstore_api.auth.principal import Principal, Role
from bookstore_api.settings.key_set import KeySet

ALGORITHM = "HS256"
TYPE = "at+jwt"
ISSUER = "bookstore"
AUDIENCE = "bookstore-api"
LIFETIME = timedelta(minutes=15)
# Clocks of two processes differ, so a token may be a little younger than the one that reads it.
LEEWAY = timedelta(seconds=30)
CLAIMS = ("iss", "aud", "sub", "sid", "role", "iat", "exp", "jti")


class InvalidTokenError(Exception):
    """The token is not one of ours, or not valid any more; `code` says why, for logs."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def is_access_token(token: str) -> bool:
    """Whether a text has the form of an access token, valid or not."""
    return _header(token).get("typ") == TYPE


def issue(keys: KeySet, principal: Principal, now: datetime) -> str:
    """Make an access token of an account's session."""
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(principal.account_id),
        "sid": str(principal.session_id),
        "role": principal.role.value,
        "iat": int(now.timestamp()),
        "exp": int((now + LIFETIME).timestamp()),
        "jti": secrets.token_hex(8),
    }
    headers = {"kid": keys.signing, "typ": TYPE}
    return jwt.encode(claims, keys.keys[keys.signing], algorithm=ALGORITHM, headers=headers)


def verify(keys: KeySet, token: str, now: datetime) -> Principal:
    """Return whom a token stands for; raises InvalidTokenError."""
    header = _header(token)
    if header.get("typ") != TYPE or header.get("alg") != ALGORITHM:
        raise InvalidTokenError("wrong-type")
    key = keys.keys.get(str(header.get("kid")))
    if key is None:
        raise InvalidTokenError("unknown-key")
    claims = _claims(key, token)
    if claims["exp"] <= (now - LEEWAY).timestamp():
        raise InvalidTokenError("expired")
    if claims["iat"] > (now + LEEWAY).timestamp():
        raise InvalidTokenError("not-yet-valid")
    return _principal(claims)


def _header(token: str) -> Mapping[str, Any]:
    try:
        return jwt.get_unverified_header(token)
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return {}


def _claims(key: bytes, token: str) -> Mapping[str, Any]:
    # Times are compared by the caller's clock, so that tests need no other one.
    options: Any = {"require": list(CLAIMS), "verify_exp": False, "verify_iat": False}
    try:
        claims: Mapping[str, Any] = jwt.decode(
            token, key, algorithms=[ALGORITHM], audience=AUDIENCE, issuer=ISSUER, options=options
        )
    except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
        code = "bad-signature" if isinstance(error, jwt.InvalidSignatureError) else "malformed"
        raise InvalidTokenError(code) from None
    if not all(type(claims[name]) is int for name in ("exp", "iat")):
        raise InvalidTokenError("malformed")
    return claims


def _principal(claims: Mapping[str, Any]) -> Principal:
    try:
        return Principal(Role(claims["role"]), UUID(claims["sub"]), UUID(claims["sid"]))
    except (ValueError, TypeError, AttributeError):
        raise InvalidTokenError("malformed") from None
