"""What a backup costs beside a plain `pg_dump -Fc` to the same disk, and that memory stays flat.

    python -m tests.bench.backup --megabytes 10 1000

For each size a database is filled, dumped plainly and backed up, three times in turn; the fastest
runs are compared. Never in CI: 1000 MB take minutes.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from devcluster.progress import say
from tests.support.postgres import OwnPostgres, own_postgres, query

RUNS = 3
ROW_BYTES = 400
GOAL_DUMP = 1 / 0.9
GOAL_WHOLE = 2.0
# Five parts of 8 MiB: one that is filled, its copy, two on their way, one that is read.
MORE_MEMORY_MB = 45


def fill(url: str, megabytes: int) -> None:
    """Fill a database with books whose text compresses about as prose does."""
    query(
        url,
        "CREATE TABLE books (id bigint PRIMARY KEY, isbn text, title text, about text, cents int)",
    )
    rows = megabytes * 1_000_000 // ROW_BYTES
    for begin in range(0, rows, 100_000):
        query(
            url,
            "INSERT INTO books SELECT n, md5(n::text), 'Book ' || n, "
            "repeat(md5((n / 3)::text) || ' about a shop ', 7), n % 9000 "
            "FROM generate_series($1 + 1, $2) n",
            begin,
            min(rows, begin + 100_000),
        )
    query(url, "CHECKPOINT")


def plain(server: OwnPostgres, url: str, folder: Path) -> float:
    """Return the seconds of a plain dump."""
    file = folder / "plain.dump"
    begin = time.monotonic()
    program = server.binaries / "pg_dump"
    subprocess.run([program, "-Fc", "-f", file, "-d", url], check=True)
    seconds = time.monotonic() - begin
    file.unlink()
    return seconds


def backup(server: OwnPostgres, url: str, folder: Path) -> tuple[dict[str, float], float]:
    """Return the seconds of a backup by step, and the most memory of its process in MB."""
    (folder / "uri").write_text(url)
    command: list[str | Path] = [
        *(sys.executable, "-c", _MEASURED, "create", "-q", "-o", "json", "--store", "bench"),
        *("--target", f"file://{folder}", "--tools", server.binaries),
        *("--uri-file", folder / "uri"),
    ]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    result = json.loads(ran.stdout)
    for file in (folder / "bench").rglob("*.*"):
        file.unlink()
    return result["backup"]["seconds"], float(ran.stderr.split()[-1]) / 1024


_MEASURED = f"""
import {resource.__name__} as r, sys
from bookstore_backup.__main__ import main
try:
    main()
finally:
    print(r.getrusage(r.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def measure(server: OwnPostgres, megabytes: int) -> dict[str, float]:
    """Return what a database of a size costs: the fastest of some runs."""
    with server.database() as url, tempfile.TemporaryDirectory(prefix="bench-backup-") as name:
        fill(url, megabytes)
        folder = Path(name)
        plains, backups, memory = [], [], 0.0
        for _ in range(RUNS):
            plains.append(plain(server, url, folder))
            seconds, used = backup(server, url, folder)
            backups.append(seconds)
            memory = max(memory, used)
    dump, whole = min(s["dump"] for s in backups), min(s["total"] for s in backups)
    return {
        "megabytes": megabytes,
        "plain": round(min(plains), 3),
        "dump": round(dump, 3),
        "whole": round(whole, 3),
        "dumpRatio": round(dump / min(plains), 3),
        "wholeRatio": round(whole / min(plains), 3),
        "memoryMB": round(memory, 1),
    }


def main() -> None:
    """Measure each size; print the results as JSON, and whether the goals hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[10, 1000])
    sizes = parser.parse_args().megabytes
    results = []
    with own_postgres() as server:
        for megabytes in sizes:
            results.append(measure(server, megabytes))
            say(json.dumps(results[-1]))
    largest = results[-1]
    failed = (
        largest["dumpRatio"] > GOAL_DUMP
        or largest["wholeRatio"] > GOAL_WHOLE
        or largest["memoryMB"] > results[0]["memoryMB"] + MORE_MEMORY_MB
    )
    say("goals missed" if failed else "goals hold")
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
