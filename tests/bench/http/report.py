"""What was measured as JSON, as a table and as a chart."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.nightly import ROOT, machine

FOLDER = ROOT / "docs" / "benchmarks"
WIDTH, BAR, LEFT = 760, 16, 300


@dataclass(frozen=True)
class Row:
    """One figure and the goal for it; `ratio` is what the goal is about, None where not measured.

    `goal` is the least ratio, or with `at_most` the largest; None for a row that explains another.
    """

    name: str
    peer: str
    unit: str
    ours: float | None
    theirs: float | None
    ratio: float | None
    interval: tuple[float, float] | None
    goal: float | None
    at_most: bool = False
    note: str = ""
    ours_per_second: float | None = None
    theirs_per_second: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without a goal or a figure."""
        if self.goal is None or self.ratio is None:
            return None
        return self.ratio <= self.goal if self.at_most else self.ratio >= self.goal


def write(rows: Sequence[Row], about: Mapping[str, Any], folder: Path = FOLDER) -> None:
    """Write api.json, api.md and api.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    result = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        **about,
        "rows": [{**asdict(row), "met": row.met} for row in rows],
    }
    (folder / "api.json").write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    (folder / "api.md").write_text(table(rows, result))
    (folder / "api.svg").write_text(chart(rows))


def table(rows: Sequence[Row], result: Mapping[str, Any]) -> str:
    """Return the page."""
    on = result["machine"]
    head = (
        "# The API beside its peers\n\n"
        "`make bench-api` writes this page; don't edit it. How it is measured: "
        "[how-to/benchmarks.md](../how-to/benchmarks.md).\n\n"
        f"{result['date'][:10]}, {on['processors']} processors ({on['model']}), "
        f"Python {on['python']}, {result['rounds']} rounds. {result['remark']}\n\n"
        "![The ratios and their goals](api.svg)\n\n"
        "| what | peer | ours | theirs | ratio (95 % interval) | goal | met | note |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- |\n"
    )
    return head + "\n".join(map(_line, rows)) + "\n"


def _line(row: Row) -> str:
    span = f" ({row.interval[0]:.2f} to {row.interval[1]:.2f})" if row.interval else ""
    cells = (
        row.name,
        row.peer,
        _figure(row.ours, row.unit, row.ours_per_second),
        _figure(row.theirs, row.unit, row.theirs_per_second),
        "not measured" if row.ratio is None else f"{row.ratio:.2f}{span}",
        "" if row.goal is None else f"{'≤' if row.at_most else '≥'} {row.goal:g}",
        {True: "yes", False: "**no**", None: ""}[row.met],
        row.note,
    )
    return f"| {' | '.join(cells)} |"


def _figure(value: float | None, unit: str, per_second: float | None) -> str:
    if value is None:
        return ""
    rate = f", {per_second:,.0f}/s" if per_second else ""
    return f"{value:,.4g} {unit}{rate}"


def chart(rows: Sequence[Row]) -> str:
    """Return a chart: each ratio as a bar, its interval as a line, its goal as a mark."""
    shown = [row for row in rows if row.ratio is not None]
    largest = max([1.5, *(max(row.ratio or 0, row.goal or 0) for row in shown)])
    scale = (WIDTH - LEFT - 60) / min(largest, 3.0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{len(shown) * 26 + 20}" '
        'font-family="sans-serif" font-size="12">'
    ]
    for place, row in enumerate(shown):
        parts += _bar(row, 10 + place * 26, scale)
    return "\n".join([*parts, "</svg>", ""])


def _bar(row: Row, top: int, scale: float) -> list[str]:
    ratio = min(row.ratio or 0.0, 3.0)
    color = {True: "#2e7d32", False: "#c62828", None: "#757575"}[row.met]
    text = row.name.replace("&", "&amp;").replace("<", "&lt;")
    lines = [
        f'<text x="{LEFT - 8}" y="{top + 12}" text-anchor="end">{text}</text>',
        f'<rect x="{LEFT}" y="{top}" width="{ratio * scale:.1f}" height="{BAR}" fill="{color}"/>',
        f'<text x="{LEFT + ratio * scale + 6:.1f}" y="{top + 12}">{row.ratio:.2f}</text>',
    ]
    if row.interval:
        low, high = (LEFT + min(edge, 3.0) * scale for edge in row.interval)
        lines.append(f'<path d="M{low:.1f} {top + 8}H{high:.1f}" stroke="black"/>')
    if row.goal is not None:
        x = LEFT + min(row.goal, 3.0) * scale
        lines.append(f'<path d="M{x:.1f} {top - 3}v{BAR + 6}" stroke="black" stroke-width="2"/>')
    return lines
