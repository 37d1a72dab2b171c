"""The API beside peers, each goal in paired rounds on real servers; writes docs/benchmarks/api.*.

    python -m tests.bench.api --rounds 15 --count 4000 --books 1000000
    python -m tests.bench.api --only cached redis --rounds 5 --count 1000    (writes nothing)

uvicorn, PostgreSQL and Redis are real and on loopback, the clients are a process of their own, and
CPU time is that of the server's process. See docs/how-to/benchmarks.md.
"""

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path

from devcluster.progress import say, step
from tests.bench.http.data import fill
from tests.bench.http.goals import GOALS
from tests.bench.http.report import Row, table, write
from tests.bench.http.servers import clients
from tests.bench.http.world import World
from tests.support.nightly import machine
from tests.support.postgres import own_postgres
from tests.support.valkey import own_valkey

SMALL = 1000


def measure(arguments: argparse.Namespace) -> list[Row]:
    """Measure the goals that were asked for."""
    rows: list[Row] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-api-")))
        postgres = stack.enter_context(own_postgres())
        valkey = stack.enter_context(own_valkey())
        url = stack.enter_context(postgres.database())
        fill(url, SMALL)
        world = World(
            folder,
            postgres,
            valkey,
            stack.enter_context(clients()),
            url,
            rounds=arguments.rounds,
            count=arguments.count,
            books=arguments.books,
            idle_seconds=arguments.idle,
        )
        for name in arguments.only or GOALS:
            with step(name):
                rows += GOALS[name](world)
    return rows


def main() -> None:
    """Measure, print the table, and write the results where all goals were measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--count", type=int, default=4000, help="requests of a side in a round")
    parser.add_argument("--books", type=int, default=1_000_000)
    parser.add_argument("--idle", type=int, default=60, help="seconds to leave a process alone")
    parser.add_argument("--only", nargs="+", choices=list(GOALS))
    parser.add_argument("--remark", default="", help="what else the machine was doing")
    arguments = parser.parse_args()
    rows = measure(arguments)
    about = {"rounds": arguments.rounds, "count": arguments.count, "remark": arguments.remark}
    if arguments.only:
        say(table(rows, {"date": "", "machine": machine(), **about}))
    else:
        write(rows, about)
        say(f"{sum(row.met is True for row in rows)} goals met; see docs/benchmarks/api.md")


if __name__ == "__main__":
    main()
