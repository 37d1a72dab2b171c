"""Amounts as Kubernetes writes them: `500m`, `1Gi`."""

from __future__ import annotations

import re
from decimal import Decimal

SUFFIXES = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGT", start=1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGT", start=1)},
}


def amount(quantity: object) -> Decimal | None:
    """Return a quantity as a number, or None for what is none."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([a-zA-Z]*)", str(quantity))
    if found is None or found[2] not in SUFFIXES:
        return None
    return Decimal(found[1]) * SUFFIXES[found[2]]
