"""What the goals are measured in, and the rows that they return."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.bench.http.report import Row
from tests.bench.http.rounds import Paired, Side, paired
from tests.bench.http.servers import Clients, Server, server
from tests.support.postgres import OwnPostgres
from tests.support.valkey import Valkey

SERVE = ("bookstore_api", "serve")
PEERS = "tests.bench.http.peers"


@dataclass(frozen=True)
class World:
    """What the goals are measured in; `url` is of a database with 1,000 books."""

    folder: Path
    postgres: OwnPostgres
    valkey: Valkey
    clients: Clients
    url: str
    rounds: int
    count: int
    books: int
    idle_seconds: int


def efficiency(name: str, peer: str, found: Paired, goal: float | None, note: str = "") -> Row:
    """Return the row of a goal like: at least 70 % of the peer."""
    low, high = found.interval
    return Row(
        name,
        peer,
        "CPU-µs",
        round(found.ours, 1),
        round(found.theirs, 1),
        round(1 / found.cpu_ratio, 3),
        (round(1 / high, 3), round(1 / low, 3)),
        goal,
        note=note,
        ours_per_second=round(found.ours_per_second),
        theirs_per_second=round(found.theirs_per_second),
    )


def cost(name: str, peer: str, found: Paired, goal: float | None, note: str = "") -> Row:
    """Return the row of a goal like: at most 15 % more than the peer."""
    low, high = found.interval
    return Row(
        name,
        peer,
        "CPU-µs",
        round(found.ours, 1),
        round(found.theirs, 1),
        round(found.cpu_ratio, 3),
        (round(low, 3), round(high, 3)),
        goal,
        at_most=True,
        note=note,
        ours_per_second=round(found.ours_per_second),
        theirs_per_second=round(found.theirs_per_second),
    )


def peer(world: World, stack: ExitStack, name: str, **settings: object) -> Server:
    """Start a peer."""
    settings.setdefault("database_url", world.url)
    return stack.enter_context(server(world.folder, [PEERS, name], **settings))


def api(world: World, stack: ExitStack, **settings: object) -> Server:
    """Start the API."""
    settings.setdefault("database_url", world.url)
    return stack.enter_context(server(world.folder, SERVE, **settings))


def compare(world: World, ours: Side, theirs: Side) -> Paired:
    """Measure both sides as often as was asked for."""
    return paired(world.clients, ours, theirs, rounds=world.rounds, count=world.count)
