"""Users, while a release goes on: bounded requests at a steady pace, every failure counted."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

REQUESTS_AT_MOST = 12_000
PAUSE_SECONDS = 0.05


class Traffic:
    """What the requests sent so far came to: status codes, and errors by name."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.stop = threading.Event()

    @property
    def sent(self) -> int:
        """How many requests have ended."""
        return self.answers.total()

    @property
    def failed(self) -> int:
        """How many of them got no answer, or one that is not 2xx."""
        return self.sent - sum(n for code, n in self.answers.items() if code.startswith("2"))

    def send(self, url: str) -> None:
        """Request `url` at a steady pace until told to stop, each time on a new connection."""
        while not self.stop.wait(PAUSE_SECONDS) and self.sent < REQUESTS_AT_MOST:
            try:
                answer = str(httpx.get(url, timeout=5).status_code)
            except httpx.HTTPError as error:
                answer = type(error).__name__
            self.answers[answer] += 1


def wait_until_answering(url: str, seconds: float = 30) -> None:
    """Wait until a new Service is reached: nodes take its addresses over about once a second.

    Raises httpx.HTTPError when it isn't after so many seconds.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            httpx.get(url, timeout=5).raise_for_status()
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


@contextmanager
def traffic(url: str) -> Iterator[Traffic]:
    """Send requests to `url` during the block."""
    counted = Traffic()
    sender = threading.Thread(target=counted.send, args=(url,), name="traffic", daemon=True)
    sender.start()
    try:
        yield counted
    finally:
        counted.stop.set()
        sender.join()
