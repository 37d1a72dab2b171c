"""A flame graph of the API while it answers cached reads: docs/benchmarks/hot-path.svg.

    python -m tests.bench.http.flame [--seconds 10]

The API runs as deployed, in a process whose stack is sampled by the CPU time that it uses.
"""

import argparse
import atexit
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from html import escape
from pathlib import Path
from types import FrameType

from tests.bench.http.data import drawn_paths, fill
from tests.bench.http.load import Job
from tests.bench.http.report import FOLDER
from tests.bench.http.servers import clients, request, server
from tests.support.postgres import own_postgres
from tests.support.valkey import own_valkey

SAMPLE_SECONDS = 0.001
WIDTH, HEIGHT, LEAST = 1200, 17, 0.002
HOT_BOOKS = 200

Stacks = Counter[tuple[str, ...]]


def serve_sampled() -> None:
    """Be `bookstore-api serve`, and write the sampled stacks to FOLDED at the end."""
    from bookstore_api.__main__ import main  # noqa: PLC0415 - only in the server's process

    stacks: Stacks = Counter()

    def sample(_number: int, frame: FrameType | None) -> None:
        names = []
        while frame is not None:
            code = frame.f_code
            names.append(f"{Path(code.co_filename).stem}.{code.co_qualname}")
            frame = frame.f_back
        stacks[tuple(reversed(names))] += 1

    def write() -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        Path(os.environ["FOLDED"]).write_text(json.dumps(list(stacks.items())))

    atexit.register(write)
    signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, SAMPLE_SECONDS, SAMPLE_SECONDS)
    sys.argv = ["bookstore-api", "serve"]
    main()


def sampled(seconds: float) -> Stacks:
    """Return the stacks of a process that answers cached reads, without those of its start."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flame-")))
        os.environ["FOLDED"] = str(folder / "folded.json")
        postgres, valkey = stack.enter_context(own_postgres()), stack.enter_context(own_valkey())
        url = stack.enter_context(postgres.database())
        fill(url, HOT_BOOKS)
        running = stack.enter_context(clients())
        command = ["tests.bench.http.flame", "--serve"]
        settings = {"database_url": url, "redis_url": valkey.url, "drain_seconds": 0}
        with server(folder, command, **settings) as api:
            asked = [request(path) for path in drawn_paths(HOT_BOOKS, 500)]
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                running.run(Job(api.port, asked, 2000, 8, 200))
        found = json.loads(Path(os.environ["FOLDED"]).read_text())
    return Counter({tuple(names): count for names, count in found if _in_request(names)})


def _in_request(names: list[str]) -> bool:
    return any("data_received" in name or "RequestLogMiddleware" in name for name in names)


def draw(stacks: Stacks) -> str:
    """Return a flame graph: what is wider took more, what is above was called from below."""
    total = stacks.total()
    boxes: list[str] = []
    deepest = _draw_level(stacks, total, 0.0, 0, boxes)
    height = (deepest + 2) * HEIGHT
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 -{height - HEIGHT} {WIDTH} {height}" font-family="monospace" font-size="11">'
    )
    return "\n".join([head, *boxes, "</svg>", ""])


def _draw_level(stacks: Stacks, total: int, left: float, depth: int, boxes: list[str]) -> int:
    deepest = depth
    groups: dict[str, Stacks] = {}
    for names, count in stacks.items():
        if len(names) > depth:
            groups.setdefault(names[depth], Counter())[names] += count
    for name, group in sorted(groups.items()):
        share = group.total() / total
        if share >= LEAST:
            boxes.append(_box(name, share, left, depth))
            deepest = max(deepest, _draw_level(group, total, left, depth + 1, boxes))
        left += share * WIDTH
    return deepest


def _box(name: str, share: float, left: float, depth: int) -> str:
    top, width = -depth * HEIGHT, share * WIDTH
    color = f"hsl({sum(name.encode()) % 50 + 10},80%,70%)"
    shown = escape(name[: int(width / 6.7)]) if width > 20 else ""
    return (
        f'<g><title>{escape(name)} {share:.1%}</title><rect x="{left:.1f}" y="{top}" '
        f'width="{width:.1f}" height="{HEIGHT - 1}" fill="{color}"/>'
        f'<text x="{left + 2:.1f}" y="{top + 12}">{shown}</text></g>'
    )


def heaviest(stacks: Stacks, count: int) -> list[tuple[str, float]]:
    """Return the functions with the most time of their own, as shares."""
    own: Counter[str] = Counter()
    for names, number in stacks.items():
        own[names[-1]] += number
    return [(name, number / stacks.total()) for name, number in own.most_common(count)]


def main() -> None:
    """Sample, draw, and print what is heaviest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--serve", action="store_true")
    arguments = parser.parse_args()
    if arguments.serve:
        serve_sampled()
        return
    stacks = sampled(arguments.seconds)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "hot-path.svg").write_text(draw(stacks))
    for name, share in heaviest(stacks, 40):
        print(f"{share:6.1%}  {name}")


if __name__ == "__main__":
    main()
