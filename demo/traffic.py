"""Send requests at a steady rate during a release, up to a limit, and count every failure."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

REQUESTS_AT_MOST = 12_000
PAUSE_SECONDS = 0.05


class Traffic:
    """The results of the requests so far: by status code, or by the name of the error."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.stop = threading.Event()

    @property
    def sent(self) -> int:
        """The number of completed requests."""
        return self.answers.total()

    @property
    def failed(self) -> int:
        """The number of requests without a response or with a status other than 2xx."""
        return self.sent - sum(n for code, n in self.answers.items() if code.startswith("2"))

    def send(self, url: str) -> None:
        """Request `url` at a steady rate until `stop` is set, each time on a new connection."""
        while not self.stop.wait(PAUSE_SECONDS) and self.sent < REQUESTS_AT_MOST:
            try:
                answer = str(httpx.get(url, timeout=5).status_code)
            except httpx.HTTPError as error:
                answer = type(error).__name__
            self.answers[answer] += 1


def wait_until_answering(url: str, seconds: float = 30) -> None:
    """Wait until a new Service answers: kube-proxy applies its addresses about once a second.

    Raises httpx.HTTPError if it does not answer within `seconds`.
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
    results = Traffic()
    sender = threading.Thread(target=results.send, args=(url,), name="traffic", daemon=True)
    sender.start()
    try:
        yield results
    finally:
        results.stop.set()
        sender.join()
