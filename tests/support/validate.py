"""`make validate`: run the tests of the eight properties, and write one page with their results.

The properties and their tests are those of docs/reference/properties.md. The page is
docs/results/validation.md: what is promised, by which tests it is checked, and how they ended.
"""

import argparse
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from devcluster.progress import say
from tests.support.nightly import LOGS, RESULTS, ROOT, machine

PROPERTIES = ROOT / "docs/reference/properties.md"
PAGE = RESULTS / "validation.md"
Counts = Mapping[str, Counter[str]]
"""How many tests passed, failed and were skipped, by file."""


@dataclass(frozen=True)
class Property:
    """A promise, and the files of its tests."""

    name: str
    promise: str
    files: tuple[str, ...]


def properties(page: str) -> list[Property]:
    """Return the properties of the page about them."""
    found = []
    for section in page.split("\n## ")[1:]:
        title, _, text = section.partition("\n")
        lines = [line.split("`")[1] for line in text.splitlines() if line.startswith("- `tests/")]
        promise = " ".join(text.strip().partition("\n\n")[0].split())
        found.append(Property(title, promise, tuple(lines)))
    return found


def counts_in(junit: str, files: Sequence[str]) -> Counts:
    """Return the counts of each file in pytest's report."""
    counts: dict[str, Counter[str]] = {file: Counter() for file in files}
    modules = {file.removesuffix(".py").replace("/", "."): file for file in files}
    for case in ET.fromstring(junit).iter("testcase"):  # noqa: S314 - pytest's own
        name = case.get("classname", "")
        file = next((f for m, f in modules.items() if name == m or name.startswith(f"{m}.")), None)
        if file is not None:
            counts[file][_outcome(case)] += 1
    return counts


def _outcome(case: ET.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    return "passed" if case.find("skipped") is None else "skipped"


def result_of(files: Sequence[str], counts: Counts) -> str:
    """Return how the tests of some files ended, all together."""
    if any(counts[file]["failed"] for file in files):
        return "**FAILED**"
    return "passed" if all(counts[file]["passed"] for file in files) else "**not run**"


def report(promised: Sequence[Property], counts: Counts, about: str) -> str:
    """Return the page."""
    lines = [
        "# Validation",
        "",
        f"Written by `make validate`; don't edit it. {about}",
        "",
        "| property | result |",
        "| --- | --- |",
        *(f"| {item.name} | {result_of(item.files, counts)} |" for item in promised),
    ]
    for item in promised:
        lines += ["", f"## {item.name}", "", item.promise, "", *_table(item, counts)]
    return "\n".join([*lines, ""])


def _table(item: Property, counts: Counts) -> list[str]:
    rows = ["| tests | passed | failed | skipped |", "| --- | --- | --- | --- |"]
    for file in item.files:
        numbers = (str(counts[file][outcome]) for outcome in ("passed", "failed", "skipped"))
        rows.append(f"| `{file}` | {' | '.join(numbers)} |")
    return rows


def main(arguments: Sequence[str]) -> int:
    """Run the tests, with pytest's own options if given; return 0 if every property holds."""
    parser = argparse.ArgumentParser(prog="make validate", description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="such as P3; writes no page")
    chosen, options = parser.parse_known_args(arguments)
    everything = properties(PROPERTIES.read_text())
    promised = [p for p in everything if not chosen.only or p.name.split(",")[0] in chosen.only]
    files = sorted({file for item in promised for file in item.files})
    junit = LOGS / "validate.xml"
    LOGS.mkdir(exist_ok=True)
    junit.unlink(missing_ok=True)
    command = ("pytest", "-q", "--timeout=2000", f"--junitxml={junit}", *options, *files)
    subprocess.run(command, cwd=ROOT, check=False)
    counts = counts_in(junit.read_text() if junit.exists() else "<none/>", files)
    text = report(promised, counts, _about())
    if not chosen.only:
        PAGE.write_text(text)
    say(text)
    return 0 if all(result_of(item.files, counts) == "passed" for item in promised) else 1


def _about() -> str:
    command = ("git", "rev-parse", "--short=12", "HEAD")
    commit = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    on = machine()
    system = f"{on['processors']} processors ({on['model']}), Python {on['python']}"
    return f"Commit {commit.strip()}, {datetime.now(UTC):%Y-%m-%d}, {system}."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
