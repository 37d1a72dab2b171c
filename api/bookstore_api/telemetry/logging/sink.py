"""Where lines go: a reader that stops reading loses lines, and stops nobody.

A pipe that is full blocks who writes to it: here the event loop, with every request, every probe
and the signal that asks for the end.
"""

import io
import os
import select
import stat
from typing import TextIO

# A pipe that takes anything takes so much without waiting (pipe(7), PIPE_BUF).
_PIECE_BYTES = 4096
# For a reader that is only slow. It is waited for once: from then on until it reads, not at all.
PATIENCE_MILLISECONDS = 100


class Sink:
    """Writes whole lines to a stream. Not for several threads at once."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._number = _waiting_file(stream)
        self._poll = select.poll()
        if self._number is not None:
            self._poll.register(self._number, select.POLLOUT)
        self._stuck = False
        self._rest = b""  # of a line that was begun
        self._lost = 0

    def write(self, line: str) -> None:
        """Write a line, or lose it; raises OSError where the stream is broken."""
        if self._number is None:
            self._stream.write(line)
            self._stream.flush()
            return
        if not self._flush_rest():
            self._lost += 1
            return
        self._rest = line.encode()
        self._flush_rest()

    def take_lost(self) -> int:
        """Return how many lines were lost before the reader read on, once."""
        if self._rest or not self._lost:
            return 0
        lost, self._lost = self._lost, 0
        return lost

    def _flush_rest(self) -> bool:
        """Write what is left of a line; whether the stream took all of it."""
        assert self._number is not None  # noqa: S101 - asked before
        while self._rest:
            if not self._is_ready():
                return False
            piece, self._rest = self._rest[:_PIECE_BYTES], self._rest[_PIECE_BYTES:]
            written = os.write(self._number, piece)
            self._rest = piece[written:] + self._rest
        return True

    def _is_ready(self) -> bool:
        self._stuck = not self._poll.poll(0 if self._stuck else PATIENCE_MILLISECONDS)
        return not self._stuck


def _waiting_file(stream: TextIO) -> int | None:
    """Return the number of a file whose writes may wait for a reader; None for any other."""
    try:
        number = stream.fileno()
        mode = os.fstat(number).st_mode
    except (OSError, ValueError, io.UnsupportedOperation):
        return None
    waits = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(number)
    return number if waits else None
