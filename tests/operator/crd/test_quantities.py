"""Amounts are compared, not the texts that they are written as."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bookstore_operator.core import history
from bookstore_operator.crd.quantities import SUFFIXES
from bookstore_operator.crd.quantities import amount as amount_of
from tests.support.examples import scaled
from tests.support.world import World

pytestmark = pytest.mark.scenario

WHOLE = st.integers(0, 10_000)
DIGITS = st.integers(0, 999).map(lambda thousandths: f"{thousandths:03d}")


@st.composite
def quantities(draw: st.DrawFn) -> str:
    """A quantity as the CRD lets it pass, with a fraction or without."""
    fraction = draw(st.none() | DIGITS)
    number = str(draw(WHOLE)) if fraction is None else f"{draw(WHOLE)}.{fraction}"
    return number + draw(st.sampled_from(sorted(SUFFIXES)))


def written(amount: Fraction, suffix: str) -> str | None:
    """An amount with another suffix, where it has a finite way to be written so."""
    number = amount / SUFFIXES[suffix]
    for places in range(16):
        if (number * 10**places).denominator == 1:
            digits = str(number.numerator * 10**places // number.denominator).zfill(places + 1)
            text = f"{digits[:-places]}.{digits[-places:]}" if places else digits
            return f"{text}{suffix}" if len(text + suffix) <= 20 else None
    return None


def released_by(before: str, after: str, name: str) -> bool:
    """Whether a change of a request starts a release, judged as each reconcile does."""
    spec: dict[str, Any] = {"image": "api:1", "resources": {"requests": {name: before}}}
    world = World(spec=spec)
    world.reconcile()
    world.change(resources={"requests": {name: after}})
    snapshot = world.snapshot()
    return not history.matches_spec(snapshot, snapshot.releases[0])


@settings(max_examples=scaled(80), deadline=None)
@given(quantities(), st.sampled_from(sorted(SUFFIXES)), st.sampled_from(["cpu", "memory"]))
def test_another_notation_of_a_quantity_starts_no_release(
    quantity: str, suffix: str, name: str
) -> None:
    amount = amount_of(quantity)
    assert amount is not None
    other = written(amount, suffix) or f"0{quantity}"
    assert not released_by(quantity, other, name), other


@settings(max_examples=scaled(80), deadline=None)
@given(quantities(), quantities(), st.sampled_from(["cpu", "memory"]))
def test_another_quantity_always_starts_a_release(one: str, other: str, name: str) -> None:
    assert released_by(one, other, name) is (amount_of(one) != amount_of(other))


@pytest.mark.parametrize(
    ("one", "other"), [("500m", "0.5"), ("1", "1000m"), ("1Gi", "1024Mi"), ("1.50k", "1500")]
)
def test_another_notation_of_a_quantity_keeps_a_bookstore_settled(one: str, other: str) -> None:
    world = World(spec={"image": "api:1", "resources": {"limits": {"cpu": one}}}).settle()
    world.change(resources={"limits": {"cpu": other}})
    world.settle()
    assert len(world.all("BookStoreRelease")) == 1
    assert world.condition("Ready") == ("True", "Serving")
    world.change(resources={"limits": {"cpu": "7"}})
    world.settle()
    assert len(world.all("BookStoreRelease")) == 2


@pytest.mark.parametrize("text", ["", "m", "1e3", "1Q", "-1", "one", None])
def test_an_invalid_quantity_has_no_amount(text: str | None) -> None:
    assert amount_of(text) is None
