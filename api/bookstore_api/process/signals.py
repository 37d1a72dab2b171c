"""SIGTERM and SIGINT: kept while there is nothing to stop yet, acted upon as soon as there is.

A container's first process ignores a signal that it has no handler for, and loading the code takes
most of a second. So this is loaded first, and imports nothing that takes time.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

_STOP = (signal.SIGTERM, signal.SIGINT)
_kept: list[int] = []


def keep() -> None:
    """Note the signals from now on. Whoever takes them over looks at `kept` afterwards."""
    for number in _STOP:
        signal.signal(number, _keep)


def kept() -> bool:
    """Whether a signal to stop came before there was a handler."""
    return bool(_kept)


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt in the block for a signal, one that was kept included."""
    try:
        for number in _STOP:
            signal.signal(number, _interrupt)
        if _kept:
            raise KeyboardInterrupt
        yield
    finally:
        keep()


def _keep(number: int, _frame: FrameType | None) -> None:
    _kept.append(number)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
