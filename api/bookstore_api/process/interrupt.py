"""Runs a command's work so that a signal ends it in order, and a limit ends it anyway."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn, TypeVar

from bookstore_api.process import signals

T = TypeVar("T")


def run_interruptible(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in an event loop of its own; raises KeyboardInterrupt after a signal.

    The signal cancels the work where it waits, so that it can close what it opened: an exception
    out of a signal's handler would come in the middle of any line, the event loop's own included.
    Further signals change nothing. To be called where signals are `interruptible`.
    """
    interrupted = False
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        task = loop.create_task(work)

        def cancel(_number: int, _frame: FrameType | None) -> None:
            nonlocal interrupted
            if not interrupted:
                interrupted = True
                signals.notify()
                loop.call_soon_threadsafe(task.cancel)

        async def wait() -> T:
            return await task

        with _handler(cancel):
            try:
                return runner.run(wait())
            except asyncio.CancelledError:
                if not interrupted:
                    raise
                raise KeyboardInterrupt from None


@contextmanager
def _handler(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Have SIGTERM and SIGINT call this in the block."""
    before = {number: signal.getsignal(number) for number in signals.STOP}
    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


class LastResort:
    """Ends the process some time after a signal, where something keeps it from ending by itself.

    A thread that hangs in the system, or a library that waits in its own way, can't be canceled.
    """

    def __init__(self, seconds: float, end: Callable[[], int]) -> None:
        """Wait for `start`; `end` says its last words and returns the exit code."""
        self._end = end
        self._timer = threading.Timer(seconds, self._exit)
        self._timer.daemon = True

    def start(self) -> None:
        """Begin to count; a second time changes nothing."""
        if not self._timer.is_alive() and not self._timer.finished.is_set():
            self._timer.start()

    def cancel(self) -> None:
        """Let the process live."""
        self._timer.cancel()

    def _exit(self) -> NoReturn:
        os._exit(self._end())
