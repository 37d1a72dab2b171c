"""Keeps everybody from waiting for what failed a moment ago."""

import time
from collections.abc import Callable


class Breaker:
    """Whether it is worth to ask: after a failure not for a while, then by one caller only."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._closed_again: float | None = None
        self._probing = False

    @property
    def open(self) -> bool:
        """Whether the latest answer was a failure."""
        return self._closed_again is not None

    def admits(self) -> bool:
        """Whether the caller may ask; who is let through must say how it went."""
        if self._closed_again is None:
            return True
        if self._probing or self._clock() < self._closed_again:
            return False
        self._probing = True
        return True

    def succeeded(self) -> None:
        """Let everybody through."""
        self._closed_again, self._probing = None, False

    def failed(self) -> None:
        """Let nobody through for a while."""
        self._closed_again, self._probing = self._clock() + self._seconds, False

    def gave_up(self) -> None:
        """Leave the question to the next caller: the answer was not waited for."""
        self._probing = False
