"""How large the parts are that a dump is stored in."""

MEBIBYTE = 2**20
FIRST_SIZE = 8 * MEBIBYTE
LARGEST_SIZE = 256 * MEBIBYTE
GROWS_EACH = 2000
HIGHEST_NUMBER = 99_999


def part_size(number: int, *, first: int = FIRST_SIZE, each: int = GROWS_EACH) -> int:
    """Return the size of a part, counted from 1.

    The first 16 GiB go into parts of 8 MiB, so memory is the same up to there; then they double
    each two thousand parts, so that no dump needs more parts than there are numbers.
    """
    doubled = (number - 1) // each
    return min(first << doubled, max(first, LARGEST_SIZE))
