"""Pseudonyms: the same for the same text and key, and nothing of the text in them."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookstore_api.telemetry import pseudonyms
from bookstore_api.telemetry.pseudonyms import derive_key, pseudonym


@pytest.fixture(autouse=True)
def key_put_back() -> Iterator[None]:
    before = pseudonyms._Key.current
    yield
    pseudonyms._Key.current = before


@given(st.text(), st.text())
def test_a_pseudonym_is_the_texts_own(one: str, other: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{16}", pseudonym(one))
    assert (pseudonym(one) == pseudonym(other)) == (one == other)


def test_bytes_that_are_no_text_have_one_too() -> None:
    assert re.fullmatch(r"[0-9a-f]{16}", pseudonym(b"\xff\xed\xa0\x80".decode("latin-1")))
    assert re.fullmatch(r"[0-9a-f]{16}", pseudonym(b"\xff".decode("ascii", "surrogateescape")))


def test_processes_with_the_same_secret_agree() -> None:
    derive_key("one secret")
    first = pseudonym("192.0.2.1")
    derive_key("another secret")
    assert pseudonym("192.0.2.1") != first
    derive_key("one secret")
    assert pseudonym("192.0.2.1") == first
    derive_key(None)  # a secret that is not set changes nothing
    assert pseudonym("192.0.2.1") == first
