"""ISBN: the number of a book. Pure functions."""


def normalize_isbn(text: str) -> str:
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
