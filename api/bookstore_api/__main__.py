"""The entry point: listens to signals before it loads what takes time."""

import errno
import sys

from bookstore_api.process import signals, streams


def main() -> None:
    """Run a command of `bookstore-api`."""
    streams.open_missing()
    signals.keep()
    from bookstore_api.cli import app  # noqa: PLC0415 - it loads nearly everything

    try:
        app()
    except OSError as error:
        if error.errno != errno.ENOSPC or error.filename is not None:
            raise
        sys.exit(f"bookstore-api: Can't write to standard output: {error.strerror}.")


if __name__ == "__main__":
    main()
