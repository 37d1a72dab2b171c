"""The entry point."""

import sys


def main() -> None:
    """Run a command of `bookstore-backup` and exit with its code."""
    from bookstore_backup.app import app  # noqa: PLC0415 - after Ctrl-C can be handled
    from bookstore_backup.errors import ExitCode  # noqa: PLC0415

    try:
        app(prog_name="bookstore-backup")
    except KeyboardInterrupt:
        sys.exit(int(ExitCode.INTERRUPTED))


if __name__ == "__main__":
    main()
