"""Amounts as Kubernetes writes them: `500m`, `1Gi`."""

import re
from collections.abc import Mapping
from fractions import Fraction

SUFFIXES: Mapping[str, Fraction] = {
    "": Fraction(1),
    "m": Fraction(1, 1000),
    **{letter: Fraction(1000**power) for power, letter in enumerate("kMGT", start=1)},
    **{f"{letter}i": Fraction(1024**power) for power, letter in enumerate("KMGT", start=1)},
}


def amount(quantity: object) -> Fraction | None:
    """Return a quantity as an exact number; None if it is not a quantity."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([a-zA-Z]*)", str(quantity))
    if match is None or match[2] not in SUFFIXES:
        return None
    return Fraction(match[1]) * SUFFIXES[match[2]]
