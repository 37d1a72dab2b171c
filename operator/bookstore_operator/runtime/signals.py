"""Handle SIGTERM and SIGINT during start-up.

The first process of a container ignores signals without a handler (pid_namespaces(7)), and loading
the code takes most of a second. So this module is loaded first and imports nothing slow.
"""

import os
import signal
from types import FrameType
from typing import NoReturn

_STOP = (signal.SIGTERM, signal.SIGINT)
_kept: list[int] = []


def keep() -> None:
    """Record signals from now on, for `end_at_once`."""
    for number in _STOP:
        signal.signal(number, _keep)


def end_at_once() -> None:
    """Exit with 0 on a signal from now on, and at once if one was recorded."""
    for number in _STOP:
        signal.signal(number, _end)
    if _kept:
        _end()


def _keep(number: int, _frame: FrameType | None) -> None:
    _kept.append(number)


def _end(_number: int = 0, _frame: FrameType | None = None) -> NoReturn:
    os._exit(0)
