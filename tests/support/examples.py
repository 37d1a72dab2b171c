"""How many examples a property is tried on: a few in CI, many at night."""

import os

FACTOR = int(os.environ.get("EXAMPLES_FACTOR", "1"))


def scaled(in_ci: int) -> int:
    """Return how many examples to try where CI tries so many."""
    return in_ci * FACTOR
