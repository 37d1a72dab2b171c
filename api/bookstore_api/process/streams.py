"""Standard input, output and error, which a process may have been started without (`serve >&-`).

Python then has None in their place, and the next file or socket that is opened gets their number:
a library that writes to standard error would write into the database's file or to a client.
"""

import os
import sys
from typing import TextIO


def open_missing() -> None:
    """Open the null device where a standard stream is closed; call it before anything is opened."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
    sys.stdin = sys.stdin or _stream(0, "r")
    sys.stdout = sys.stdout or _stream(1, "w")
    sys.stderr = sys.stderr or _stream(2, "w")


def _stream(number: int, mode: str) -> TextIO:
    return open(number, mode, encoding="utf-8", closefd=False)  # type: ignore[return-value]
