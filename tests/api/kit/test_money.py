"""Money as text and as whole minor units."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookstore_api.kit.money import DECIMALS, from_minor_units, to_minor_units


@given(st.integers(0, 2**63 - 1), st.sampled_from(sorted(DECIMALS)))
def test_money_survives_its_text(minor: int, currency: str) -> None:
    assert to_minor_units(from_minor_units(minor, currency), currency) == minor


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [("12.34", "EUR", 1234), ("12.3", "EUR", 1230), ("12", "JPY", 12), ("1.234", "KWD", 1234)],
)
def test_money_counts_in_the_smallest_unit(amount: str, currency: str, minor: int) -> None:
    assert to_minor_units(amount, currency) == minor


@pytest.mark.parametrize(("amount", "currency"), [("1.234", "EUR"), ("1.2", "JPY"), ("1", "XXX")])
def test_money_that_does_not_exist_is_rejected(amount: str, currency: str) -> None:
    with pytest.raises(ValueError, match=r"decimals|currency"):
        to_minor_units(amount, currency)
