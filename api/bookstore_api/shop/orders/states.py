"""The states of an order, and which follows which. Pure.

placed → paid → shipped → delivered
placed → cancelled
paid, shipped, delivered → refunded
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """What has become of an order."""

    PLACED = "placed"
    PAID = "paid"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


NEXT: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.PLACED: frozenset({State.PAID, State.CANCELLED}),
        State.PAID: frozenset({State.SHIPPED, State.REFUNDED}),
        State.SHIPPED: frozenset({State.DELIVERED, State.REFUNDED}),
        State.DELIVERED: frozenset({State.REFUNDED}),
        State.CANCELLED: frozenset(),
        State.REFUNDED: frozenset(),
    }
)


def may_become(current: str, wanted: State) -> bool:
    """Whether an order may go from one state to another; from one of newer code to none."""
    return current in set(State) and wanted in NEXT[State(current)]
