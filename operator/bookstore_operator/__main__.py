"""The entry point: listens to signals before it loads what takes time."""

from __future__ import annotations

import sys

from bookstore_operator.runtime import signals


def main() -> int:
    """Run a command of `bookstore-operator`; the exit code."""
    signals.keep()
    from bookstore_operator.cli import main as run  # noqa: PLC0415 - it loads nearly everything

    return run()


if __name__ == "__main__":
    sys.exit(main())
