"""Why the shop does not do what it is asked; problems.py says how HTTP answers each."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """One part of what was asked for that is in the way: where, in words, and for programs."""

    location: str
    message: str
    code: str


class ShopError(Exception):
    """Something asked for is not done; the message says why and what to do, to who asked."""


class NotFoundError(ShopError):
    """There is no such thing."""


class ConflictError(ShopError):
    """Something else is in the way; `parts` names each part that it is in the way of."""

    def __init__(self, message: str, parts: Sequence[Part] = ()) -> None:
        super().__init__(message)
        self.parts = tuple(parts)


class PreconditionFailedError(ShopError):
    """It was changed since it was read."""


class InvalidChangeError(ShopError):
    """A valid change does not fit what is stored; `field` is the part of it that does not."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
