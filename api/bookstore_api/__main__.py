"""The entry point: listens to signals before it loads what takes time."""

from bookstore_api.process import signals


def main() -> None:
    """Run a command of `bookstore-api`."""
    signals.keep()
    from bookstore_api.cli import app  # noqa: PLC0415 - it loads nearly everything

    app()


if __name__ == "__main__":
    main()
