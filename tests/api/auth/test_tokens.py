"""Access tokens: only our own are accepted, of one algorithm, type, issuer and audience."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookstore_api.auth import tokens
from bookstore_api.auth.principal import Principal, Role
from bookstore_api.settings.key_set import KeySet, parse_key_set, random_key_set

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
KEYS = KeySet("new", {"old": b"o" * 32, "new": b"n" * 32})
WHO = Principal(Role.STAFF, UUID(int=1), UUID(int=2))
CLAIMS = {
    "iss": "bookstore",
    "aud": "bookstore-api",
    "sub": str(UUID(int=1)),
    "sid": str(UUID(int=2)),
    "role": "staff",
    "iat": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 900,
    "jti": "1",
}
HEADERS = {"kid": "new", "typ": "at+jwt"}


def signed(
    claims: Mapping[str, Any], headers: Mapping[str, Any] = HEADERS, algorithm: str = "HS256"
) -> str:
    key = b"n" * (32 if algorithm == "HS256" else 64)
    return jwt.encode(dict(claims), key, algorithm=algorithm, headers=dict(headers))


def code_of(token: str, now: datetime = NOW, keys: KeySet = KEYS) -> str:
    with pytest.raises(tokens.InvalidTokenError) as raised:
        tokens.verify(keys, token, now)
    return raised.value.code


def test_an_issued_token_says_who_it_is_for_until_it_expires() -> None:
    token = tokens.issue(KEYS, WHO, NOW)
    assert tokens.is_access_token(token)
    for minutes in (0, 15):
        assert tokens.verify(KEYS, token, NOW + timedelta(minutes=minutes)) == WHO
    assert code_of(token, NOW + timedelta(minutes=15, seconds=31)) == "expired"
    assert code_of(token, NOW - timedelta(minutes=1)) == "not-yet-valid"


def test_a_token_of_an_older_key_is_valid_until_that_key_is_retired() -> None:
    token = tokens.issue(KeySet("old", {"old": b"o" * 32}), WHO, NOW)
    assert tokens.verify(KEYS, token, NOW) == WHO
    assert code_of(token, keys=KeySet("new", {"new": b"n" * 32})) == "unknown-key"


def without(name: str) -> dict[str, Any]:
    return {claim: value for claim, value in CLAIMS.items() if claim != name}


def test_the_token_that_the_cases_are_made_of_is_valid() -> None:
    assert tokens.verify(KEYS, signed(CLAIMS), NOW) == WHO


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (signed(CLAIMS, algorithm="HS512"), "wrong-type"),
        (signed(CLAIMS, {"kid": "new", "typ": "JWT"}), "wrong-type"),
        (signed(CLAIMS, {"kid": "old", "typ": "at+jwt"}), "bad-signature"),
        (signed(CLAIMS, {"kid": "other", "typ": "at+jwt"}), "unknown-key"),
        (signed(CLAIMS, {"typ": "at+jwt"}), "unknown-key"),
        (signed(CLAIMS | {"role": "admin"})[:-43] + signed(CLAIMS)[-43:], "bad-signature"),
        (signed(CLAIMS | {"aud": "another-api"}), "malformed"),
        (signed(CLAIMS | {"iss": "somebody"}), "malformed"),
        (signed(CLAIMS | {"role": "owner"}), "malformed"),
        (signed(CLAIMS | {"sub": "nobody"}), "malformed"),
        (signed(CLAIMS | {"exp": "9999999999"}), "malformed"),
        (signed(CLAIMS | {"exp": True}), "malformed"),
        *((signed(without(name)), "malformed") for name in CLAIMS),
    ],
)
def test_any_other_token_is_rejected(token: str, code: str) -> None:
    assert code_of(token) == code


def test_a_token_without_a_signature_is_rejected() -> None:
    def part(content: Mapping[str, Any]) -> str:
        return urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()

    for algorithm in ("none", "None", "NONE", "HS256"):
        token = f"{part({'alg': algorithm, **HEADERS})}.{part(CLAIMS)}."
        assert code_of(token) in {"wrong-type", "bad-signature", "malformed"}


@given(st.text() | st.text("eyJ.-_ABCabc019", max_size=200))
def test_what_is_no_token_is_rejected_and_never_an_error(text: str) -> None:
    assert not tokens.is_access_token(text)
    assert code_of(text) == "wrong-type"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        "[" * 100_000,
        '{"signing": "a", "keys": {}}',
        '{"signing": "a", "keys": []}',
        '{"signing": "b", "keys": {"a": "%s"}}' % ("00" * 32),
        '{"signing": "a", "keys": {"a": "%s"}}' % ("00" * 31),
        '{"signing": "a", "keys": {"a": "%s"}}' % ("zz" * 32),
        '{"signing": "a b", "keys": {"a b": "%s"}}' % ("00" * 32),
        '{"signing": "a", "keys": {"a": "%s"}, "more": 1}' % ("00" * 32),
        '{"signing": ["a"], "keys": {"a": "%s"}}' % ("00" * 32),
    ],
)
def test_a_malformed_key_set_is_rejected_without_its_content(text: str) -> None:
    with pytest.raises(ValueError, match=r"JSON like|signing key") as raised:
        parse_key_set(text)
    assert "00" not in str(raised.value)


def test_a_random_key_set_is_another_each_time() -> None:
    assert random_key_set() != random_key_set()
