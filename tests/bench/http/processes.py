"""Whole processes: an import of CSV, start-up, an idle process."""

import time

import httpx

from tests.bench.http import csv_script
from tests.bench.http.data import fill
from tests.bench.http.report import Row
from tests.bench.http.rounds import interval
from tests.bench.http.servers import Server, resident_megabytes, server
from tests.bench.http.world import SERVE, World


def csv_import(world: World) -> list[Row]:
    """Goal 9: the import beside a script that validates each row and COPYs."""
    rows = min(world.books, 20_000)
    file = csv_script.write_file(world.folder / "books.csv", rows)
    ratios, ours, theirs = [], [], []
    for _ in range(max(world.rounds // 2, 2)):
        pair = []
        for command in (csv_script.OURS, csv_script.THEIRS):
            with world.postgres.database() as url:
                fill(url, 0)
                pair.append(csv_script.seconds(command, url, file, world.folder))
        ours.append(pair[0])
        theirs.append(pair[1])
        ratios.append(pair[1] / pair[0])
    ratio = sorted(ratios)[len(ratios) // 2]
    low, high = interval(ratios)
    return [
        Row(
            f"CSV import, {rows:,} rows",
            "script: the same validation, then COPY",
            "s",
            round(min(ours), 2),
            round(min(theirs), 2),
            round(ratio, 3),
            (round(low, 3), round(high, 3)),
            0.5,
        )
    ]


def at_rest(world: World) -> list[Row]:
    """Goal 10: time until ready, memory at rest, log lines of an idle process."""
    seconds, memory = [], 0.0
    lines = 0
    for number in range(max(world.rounds // 2, 2)):
        began = time.monotonic()
        with server(
            world.folder, SERVE, database_url=world.url, redis_url=world.valkey.url
        ) as running:
            _wait_until_ready(running)
            seconds.append(time.monotonic() - began)
            if number == 0:
                memory, lines = _idle(running, world.idle_seconds)
    start = sorted(seconds)[len(seconds) // 2]
    low, high = interval(seconds)
    span = (round(low / 1.5, 3), round(high / 1.5, 3))
    return [
        Row("start-up to ready", "1.5 s", "s", round(start, 2), 1.5, round(start / 1.5, 3), span,
            1.0, at_most=True),
        Row("memory at rest", "100 MB", "MB", round(memory, 1), 100, round(memory / 100, 3), None,
            1.0, at_most=True),
        Row("log lines while idle", f"none in {world.idle_seconds} s", "lines", lines, 0, lines,
            None, 0, at_most=True),
    ]  # fmt: skip


def _wait_until_ready(running: Server) -> None:
    url = f"http://127.0.0.1:{running.internal_port}/readyz"
    deadline = time.monotonic() + 30
    while httpx.get(url, timeout=5).status_code != 200:
        if time.monotonic() > deadline:
            msg = "the API is not ready"
            raise RuntimeError(msg)
        time.sleep(0.005)


def _idle(running: Server, seconds: int) -> tuple[float, int]:
    """Leave it alone; return its memory and how many lines it has logged meanwhile."""
    before = running.log.read_text().count("\n")
    time.sleep(seconds)
    return resident_megabytes(running.pid), running.log.read_text().count("\n") - before
