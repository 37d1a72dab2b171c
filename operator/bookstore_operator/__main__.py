"""`python -m bookstore_operator` is `bookstore-operator`."""

import sys

from bookstore_operator.cli import main

if __name__ == "__main__":
    sys.exit(main())
