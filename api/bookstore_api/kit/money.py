"""Money: amounts as text for clients, as whole minor units in the database."""

from typing import Self

from pydantic import Field, model_validator

from bookstore_api.kit.schemas import Strict

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


def to_minor_units(amount: str, currency: str) -> int:
    """`("12.3", "EUR")` → 1230; raises ValueError where the currency has no such amount."""
    decimals = DECIMALS.get(currency)
    if decimals is None:
        msg = "Not the code of a currency in use (ISO 4217)"
        raise ValueError(msg)
    whole, _, fraction = amount.partition(".")
    if len(fraction) > decimals:
        msg = f"More decimals than the currency has ({decimals})"
        raise ValueError(msg)
    return int(whole + fraction.ljust(decimals, "0"))


def from_minor_units(minor: int, currency: str) -> str:
    """`(1230, "EUR")` → "12.30": always all decimals of the currency."""
    decimals = DECIMALS.get(currency, 2)
    if not decimals:
        return str(minor)
    whole, fraction = divmod(minor, 10**decimals)
    return f"{whole}.{fraction:0{decimals}d}"


class Money(Strict):
    """An amount of money; a string, as floating-point numbers can't hold cents."""

    amount: str = Field(pattern=r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,3})?$", examples=["39.90"])
    currency: str = Field(
        pattern=r"^[A-Z]{3}$",
        description="ISO 4217, in use",
        examples=["EUR"],
        json_schema_extra={"format": "currency"},
    )

    @model_validator(mode="after")
    def _check_amount(self) -> Self:
        to_minor_units(self.amount, self.currency)
        return self

    @property
    def minor(self) -> int:
        """The amount in the currency's smallest unit."""
        return to_minor_units(self.amount, self.currency)
