"""Money: amounts as text for clients, as whole minor units in the database."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, model_validator

from bookstore_api.db.stored import read_text
from bookstore_api.kit.schemas import MergePatch, Strict

# ISO 4217: the currencies in use, by the number of decimals of their minor unit.
DECIMALS: dict[str, int] = {
    code: decimals
    for decimals, codes in {
        0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
        2: (
            "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD "
            "CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS "
            "GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP "
            "LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK "
            "NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS "
            "SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST "
            "XCD XCG YER ZAR ZMW ZWG"
        ),
        3: "BHD IQD JOD KWD LYD OMR TND",
    }.items()
    for code in codes.split()
}
# Of a stored currency that is not in the table, or no longer.
DEFAULT_DECIMALS = 2

Amount = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,3})?$", examples=["39.90"])]
Currency = Annotated[
    str,
    Field(
        pattern=r"^[A-Z]{3}$",
        description="ISO 4217, in use",
        examples=["EUR"],
        json_schema_extra={"format": "currency"},
    ),
]


def to_minor_units(amount: str, currency: str) -> int:
    """`("12.3", "EUR")` → 1230; raises ValueError where the currency has no such amount."""
    decimals = DECIMALS.get(currency)
    if decimals is None:
        msg = "Not the code of a currency in use (ISO 4217)"
        raise ValueError(msg)
    whole, _, fraction = amount.partition(".")
    if not (whole + fraction).isdecimal():  # a stored amount that is no number
        msg = "The stored amount can't be kept: change it, too"
        raise ValueError(msg)
    if len(fraction) > decimals:
        msg = f"More decimals than the currency has ({decimals})"
        raise ValueError(msg)
    return int(whole + fraction.ljust(decimals, "0"))


def from_minor_units(minor: object, currency: str) -> str:
    """`(1230, "EUR")` → "12.30": always all decimals of the currency; any stored amount has one.

    What is stored in place of a number is shown as it is.
    """
    if not isinstance(minor, int):
        return str(read_text(minor))
    decimals = DECIMALS.get(currency, DEFAULT_DECIMALS)
    if not decimals:
        return str(minor)
    whole, fraction = divmod(abs(minor), 10**decimals)
    return f"{'-' if minor < 0 else ''}{whole}.{fraction:0{decimals}d}"


class Money(Strict):
    """An amount of money; a string, as floating-point numbers can't hold cents."""

    amount: Amount
    currency: Currency

    @model_validator(mode="after")
    def _check_amount(self) -> Self:
        to_minor_units(self.amount, self.currency)
        return self

    @property
    def minor(self) -> int:
        """The amount in the currency's smallest unit."""
        return to_minor_units(self.amount, self.currency)


class MoneyChange(MergePatch):
    """What changes of an amount of money; the rest stays as it is."""

    amount: Amount = ""
    currency: Currency = ""

    def applied_to(self, minor: Any, currency: str) -> tuple[Any, str]:
        """Return the stored minor units and currency with this change; raises ValueError.

        What does not change is not validated: a stored currency may no longer be in use.
        """
        old = (from_minor_units(minor, currency), currency)
        new = (self.changed("amount", old[0]), self.changed("currency", old[1]))
        return (minor, currency) if new == old else (to_minor_units(*new), new[1])


class MoneyRead(BaseModel):
    """An amount of money as it is stored, in whatever currency that is."""

    amount: str = Field(
        description="All decimals of the currency; two of one that is not in ISO 4217",
        examples=["39.90"],
    )
    currency: str = Field(description="ISO 4217, in use when it was stored", examples=["EUR"])


def show_money(minor: object, currency: str) -> MoneyRead:
    """Turn stored money into what clients see, without validating it."""
    return MoneyRead(amount=from_minor_units(minor, currency), currency=currency)
