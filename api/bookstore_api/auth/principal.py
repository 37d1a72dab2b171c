"""Who asks: an account in a role, the staff token, or nobody that is known."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    """What an account may do; each may also do what those before it may."""

    CUSTOMER = "customer"
    STAFF = "staff"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Whether this role may do what another one may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sends a request, as it was authenticated.

    The staff token stands for a program, not a person: it has the role STAFF and no account.
    """

    role: Role
    account_id: UUID | None = None
    session_id: UUID | None = None


AUTOMATION = Principal(Role.STAFF)
"""Whoever sends the staff token, and anybody in a development without one."""
