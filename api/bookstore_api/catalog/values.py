"""The catalogue's values: ISBN, money, titles to sort by, ids. Pure functions."""

import os
import time
import unicodedata
from uuid import UUID

SORT_TITLE_LENGTH = 200

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


def normalise_isbn(text: str) -> str:
    """Return the 13 digits of an ISBN-13 or ISBN-10, hyphens and spaces allowed (ValueError)."""
    digits = text.replace("-", "").replace(" ", "").upper()
    if len(digits) == 10 and _is_isbn10(digits):
        stem = "978" + digits[:9]
        return stem + _check_digit(stem)
    if len(digits) == 13 and _is_isbn13(digits):
        return digits
    msg = "Not an ISBN: 13 digits that begin with 978 or 979, or 10, with a right check digit"
    raise ValueError(msg)


def make_isbn(number: int) -> str:
    """Make a valid ISBN-13 of a number below 10**9."""
    stem = f"979{number:09d}"
    return stem + _check_digit(stem)


def _is_isbn13(digits: str) -> bool:
    return (
        digits.isascii()
        and digits.isdigit()
        and digits.startswith(("978", "979"))
        and digits[12] == _check_digit(digits[:12])
    )


def _is_isbn10(digits: str) -> bool:
    body, check = digits[:9], digits[9]
    if not (digits.isascii() and body.isdigit() and (check.isdigit() or check == "X")):
        return False
    values = [*map(int, body), 10 if check == "X" else int(check)]
    return (
        sum(weight * value for weight, value in zip(range(10, 0, -1), values, strict=True)) % 11
        == 0
    )


def _check_digit(stem: str) -> str:
    """Compute the 13th digit of an ISBN-13 (that of an EAN-13) from the first twelve."""
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(stem))
    return str(-total % 10)


def to_sort_title(title: str) -> str:
    """Make what books are sorted by: letters without case and accents, so that É is near E.

    Cut off at SORT_TITLE_LENGTH: a database's index has room for no more, and one character may
    become eighteen here. Books of equal sort titles are ordered by their ids.
    """
    decomposed = unicodedata.normalize("NFKD", title.casefold())
    bare = "".join(char for char in decomposed if not unicodedata.combining(char))
    return unicodedata.normalize("NFKC", bare)[:SORT_TITLE_LENGTH]


def new_id() -> UUID:
    """Make a UUID of version 7 (RFC 9562). New ids sort after old ones, which indexes like."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10))
    value = (milliseconds & (1 << 48) - 1) << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)
