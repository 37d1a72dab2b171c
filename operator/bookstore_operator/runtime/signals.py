"""SIGTERM and SIGINT before the operator has begun anything that would have to be ended.

A container's first process ignores a signal that it has no handler for, and loading the code takes
most of a second. So this is loaded first, and imports nothing that takes time.
"""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import NoReturn

_STOP = (signal.SIGTERM, signal.SIGINT)
_kept: list[int] = []


def keep() -> None:
    """Note the signals from now on, for `end_at_once`."""
    for number in _STOP:
        signal.signal(number, _keep)


def end_at_once() -> None:
    """End the process with 0 for a signal from now on, one that was kept included."""
    for number in _STOP:
        signal.signal(number, _end)
    if _kept:
        _end()


def _keep(number: int, _frame: FrameType | None) -> None:
    _kept.append(number)


def _end(_number: int = 0, _frame: FrameType | None = None) -> NoReturn:
    os._exit(0)
