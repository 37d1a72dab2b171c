"""Pseudonyms: the same for the same text and key, and nothing of the text in them."""

import re

from hypothesis import given
from hypothesis import strategies as st

from bookstore_api.telemetry.pseudonyms import pseudonym


@given(st.text(), st.text())
def test_each_text_has_its_own_pseudonym(one: str, other: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{16}", pseudonym(one))
    assert (pseudonym(one) == pseudonym(other)) == (one == other)


def test_bytes_that_are_no_text_have_a_pseudonym() -> None:
    assert re.fullmatch(r"[0-9a-f]{16}", pseudonym(b"\xff\xed\xa0\x80".decode("latin-1")))
    assert re.fullmatch(r"[0-9a-f]{16}", pseudonym(b"\xff".decode("ascii", "surrogateescape")))
