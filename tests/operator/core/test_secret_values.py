"""What is invalid about the value in a Secret is said without the value."""

import base64

import pytest

from bookstore_operator.core.secret_values import Content, invalid_reason

pytestmark = pytest.mark.scenario


def reason_of(value: bytes, content: Content) -> str | None:
    return invalid_reason(base64.b64encode(value).decode(), content)


KEY_SET = b'{"signing": "k1", "keys": {"k1": "%s"}}' % (b"0f" * 32)


@pytest.mark.parametrize(
    ("content", "value", "reason"),
    [
        (Content.DATABASE_URI, b"postgresql://books:secret@db:5432/books?sslmode=require", None),
        (Content.DATABASE_URI, b"postgres://books@one:5432,two:5433/books\n", None),
        (Content.DATABASE_URI, b"", "is empty"),
        (Content.DATABASE_URI, b" \n", "is empty"),
        (Content.DATABASE_URI, b"mysql://books@db/books", "does not begin with"),
        (Content.DATABASE_URI, b"host=db user=books", "does not begin with"),
        (Content.DATABASE_URI, b"postgresql://books:p@secret:w/rd@db/books", "percent-encode"),
        (Content.DATABASE_URI, b"postgresql://books@[db/books", "percent-encode"),
        (Content.DATABASE_URI, b"\xff\xfe", "is not text"),
        (Content.REDIS_URI, b"redis://:secret@cache:6379/0", None),
        (
            Content.REDIS_URI,
            b"rediss://user:p%40ss@cache.example/3?ssl_cert_reqs=required\n",
            None,
        ),
        (Content.REDIS_URI, b"redis://cache", None),
        (Content.REDIS_URI, b"", "is empty"),
        (Content.REDIS_URI, b"http://cache:6379", "does not begin with redis://"),
        (Content.REDIS_URI, b"cache:6379", "does not begin with redis://"),
        (Content.REDIS_URI, b"redis://:secret@:6379/0", "names no host"),
        (Content.REDIS_URI, b"redis://:s/ecret@cache:6379/0", "percent-encode"),
        (Content.REDIS_URI, b"redis://cache:6379/sessions", "no number for its database"),
        (Content.REDIS_URI, b"\xff\xfe", "is not text"),
        (Content.STAFF_TOKEN, b"x" * 32, None),
        (Content.STAFF_TOKEN, b"x" * 43 + b"\n", None),
        (Content.SIGNING_KEYS, KEY_SET, None),
        (Content.SIGNING_KEYS, KEY_SET + b"\n", None),
        (Content.SIGNING_KEYS, KEY_SET.replace(b'"k1":', b'"k2":'), "is no key set"),
        (Content.SIGNING_KEYS, b"{}", "is no key set"),
        (Content.STAFF_TOKEN, b"x" * 31, "is shorter than 32 characters"),
        (Content.STAFF_TOKEN, b"  " + b"x" * 31 + b"\n", "is shorter than 32 characters"),
        (Content.STAFF_TOKEN, b"", "is empty"),
        (Content.STAFF_TOKEN, "ü".encode() * 40, "letters, digits and"),
        (Content.STAFF_TOKEN, b"two words, and then a lot of them", "letters, digits and"),
        (Content.STAFF_TOKEN, b"\xff" * 40, "is not text"),
    ],
)
def test_an_invalid_value_has_a_reason_that_does_not_contain_it(
    content: Content, value: bytes, reason: str | None
) -> None:
    actual = reason_of(value, content)
    if reason is None:
        assert actual is None
    else:
        assert reason in (actual or "")
        assert "ecret" not in (actual or "")
