"""The entry points: `kubectl bookstore`, and its completion."""

import re
import sys
from collections.abc import Sequence

_SHORT = re.compile(r"^-[A-Za-z]=")


def as_kubectl_reads(words: Sequence[str]) -> list[str]:
    """Return a command line with `-o=json` as `-o json`, since kubectl takes both."""
    parts = (word.split("=", 1) if _SHORT.match(word) else [word] for word in words)
    return [part for two in parts for part in two]


def main() -> None:
    """Run a command of `kubectl bookstore` and exit with its code."""
    from kubectl_bookstore.app import app  # noqa: PLC0415 - after Ctrl-C can be handled
    from kubectl_bookstore.errors import ExitCode  # noqa: PLC0415

    try:
        app(args=as_kubectl_reads(sys.argv[1:]), prog_name="kubectl bookstore")
    except KeyboardInterrupt:
        sys.exit(int(ExitCode.INTERRUPTED))


def complete() -> None:
    """Print what the shell may complete."""
    from kubectl_bookstore.completion import answer  # noqa: PLC0415

    sys.stdout.write("\n".join(answer(sys.argv[1:])) + "\n")


if __name__ == "__main__":
    main()
