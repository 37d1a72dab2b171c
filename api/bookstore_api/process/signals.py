"""SIGTERM and SIGINT: kept while there is nothing to stop yet, acted upon as soon as there is.

A container's first process ignores a signal that it has no handler for, and loading the code takes
most of a second. So this is loaded first, and imports nothing that takes time.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

STOP = (signal.SIGTERM, signal.SIGINT)
_kept: list[int] = []
_listeners: list[Callable[[], None]] = []


def keep() -> None:
    """Note the signals from now on. Whoever takes them over looks at `kept` afterwards."""
    for number in STOP:
        signal.signal(number, _keep)


def kept() -> bool:
    """Whether a signal to stop came before there was a handler."""
    return bool(_kept)


@contextmanager
def interruptible(on_signal: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Raise KeyboardInterrupt in the block for a signal, one that was kept included.

    `on_signal` is called first, for a signal that comes in the block.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        notify()
        raise KeyboardInterrupt

    _listeners.append(on_signal)
    try:
        for number in STOP:
            signal.signal(number, interrupt)
        if _kept:
            raise KeyboardInterrupt
        yield
    finally:
        keep()
        _listeners.remove(on_signal)


def notify() -> None:
    """Tell whoever waits for a signal that one came: for those that take over the handlers."""
    for listener in tuple(_listeners):
        listener()


def _keep(number: int, _frame: FrameType | None) -> None:
    _kept.append(number)
