"""The port to a payment provider, and the one that is for tests and demonstrations."""

from enum import StrEnum
from http import HTTPStatus
from typing import Protocol
from uuid import UUID

from bookstore_api.kit.problems import ProblemError
from bookstore_api.settings import Settings

PROVIDER_SECONDS = 10.0
"""How long a provider may take to answer."""


class Kind(StrEnum):
    """What became of a payment, as a provider tells it."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUNDED = "refunded"


class ProviderError(Exception):
    """The provider does not answer, or not to be understood: ask again, with the same id."""


class PaymentsUnavailableError(ProblemError):
    """Nothing can be paid at the moment."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class Provider(Protocol):
    """A provider of payments. Each call may be repeated: the payment's id says that it is one."""

    async def charge(self, payment_id: UUID, minor: int, currency: str, method: str) -> Kind | None:
        """Take money; None where the provider will tell later. Raises ProviderError."""

    async def refund(self, payment_id: UUID, minor: int, currency: str) -> None:
        """Give money back; raises ProviderError."""


class TestProvider:
    """Takes no money: the method says how a payment ends."""

    __test__ = False  # no class of tests, to pytest
    METHODS = {"approve": Kind.SUCCEEDED, "decline": Kind.FAILED, "later": None}  # noqa: RUF012

    async def charge(self, payment_id: UUID, minor: int, currency: str, method: str) -> Kind | None:  # noqa: ARG002
        """Do what the method says; decline any other."""
        return self.METHODS.get(method, Kind.FAILED)

    async def refund(self, payment_id: UUID, minor: int, currency: str) -> None:
        """Give nothing back."""


def provider_of(settings: Settings) -> Provider | None:
    """Return the provider that the settings name; None without one."""
    return TestProvider() if settings.payment_provider == "test" else None
