"""The entry point: handles signals before it loads the slow modules."""

import sys

from bookstore_operator.runtime import signals


def main() -> int:
    """Run a command of `bookstore-operator` and return the exit code."""
    signals.keep()
    from bookstore_operator.cli import main as run  # noqa: PLC0415 - it loads nearly all modules

    return run()


if __name__ == "__main__":
    sys.exit(main())
