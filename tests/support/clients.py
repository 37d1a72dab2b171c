"""Clients of every kind at once: each connection new or kept, reads and writes."""

import itertools
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

_PAUSE_SECONDS = 0.05
_TIMEOUT_SECONDS = 10


@dataclass
class Client:
    """One that reads the list of books, or changes the price of its own book, again and again."""

    kind: str
    books: str
    keeps_alive: bool
    book: str = ""
    """The book that it writes; empty: it reads."""
    headers: Mapping[str, str] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)

    def run(self, stop: threading.Event) -> None:
        """Send requests until `stop` is set."""
        limits = httpx.Limits(max_keepalive_connections=1 if self.keeps_alive else 0)
        headers = dict(self.headers)
        with httpx.Client(timeout=_TIMEOUT_SECONDS, headers=headers, limits=limits) as client:
            for number in itertools.count():
                if stop.wait(_PAUSE_SECONDS):
                    return
                try:
                    self.answers[str(self._send(client, number).status_code)] += 1
                except httpx.HTTPError as error:
                    self.answers[f"{type(error).__name__}: {error}"] += 1

    def _send(self, client: httpx.Client, number: int) -> httpx.Response:
        if not self.book:
            return client.get(self.books)
        price = {"price": {"amount": f"{number % 90 + 10}.00"}}
        return client.patch(f"{self.books}/{self.book}", json=price)


@dataclass
class Clients:
    """Four clients: reads and writes, on new connections and on one that is kept."""

    all: list[Client]

    @property
    def failures(self) -> dict[str, Counter[str]]:
        """What was not answered with 200, by kind of client."""
        wrong = {
            c.kind: Counter({k: n for k, n in c.answers.items() if k != "200"}) for c in self.all
        }
        return {kind: answers for kind, answers in wrong.items() if answers}

    @property
    def sent(self) -> dict[str, int]:
        """How many requests were answered, or not, by kind of client."""
        return {client.kind: client.answers.total() for client in self.all}


@contextmanager
def clients(books: str, written: tuple[str, str], headers: Mapping[str, str]) -> Iterator[Clients]:
    """Send requests of all kinds during the block; `written` are the ids of two books."""
    running = Clients(
        [
            Client("reads, new connections", books, False),
            Client("reads, kept alive", books, True),
            Client("writes, new connections", books, False, written[0], headers),
            Client("writes, kept alive", books, True, written[1], headers),
        ]
    )
    stop = threading.Event()
    threads = [threading.Thread(target=c.run, args=(stop,), daemon=True) for c in running.all]
    for thread in threads:
        thread.start()
    try:
        yield running
    finally:
        stop.set()
        for thread in threads:
            thread.join()
