"""What docs/reference/failures.md says about each reason, packaged with the plugin.

`python -m kubectl_bookstore.views.advice PAGE OUTPUT` writes reasons.json; make generate calls it.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from bookstore_operator.crd.base import Part

PAGE = "docs/reference/failures.md"
FILE = "reasons.json"

_HEADING = re.compile(r"^## (.+)$")
_ROW = re.compile(r"^\| `(\w+)` \|(.*)\|$")
_LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")


class Advice(Part):
    """What the reference says about a reason."""

    meaning: str
    todo: str = ""
    continues: str = ""
    page: str
    """The page and the section."""


@cache
def all_advice() -> Mapping[str, Advice]:
    """Return what the reference says, by reason."""
    text = files("kubectl_bookstore").joinpath(FILE).read_text(encoding="utf-8")
    return {name: Advice.model_validate(entry) for name, entry in json.loads(text).items()}


def parse(page: str) -> dict[str, Advice]:
    """Return the rows of the page's tables about reasons."""
    return dict(_rows(page))


def _rows(page: str) -> Iterator[tuple[str, Advice]]:
    anchor = ""
    for line in page.splitlines():
        if heading := _HEADING.match(line):
            anchor = re.sub(r"[^a-z0-9 -]", "", heading[1].lower()).replace(" ", "-")
        elif row := _ROW.match(line):
            # A cell may have an escaped bar: `a\|b`.
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row[2])]
            _, meaning, todo, continues = (*cells, "", "")[:4]
            yield (
                row[1],
                Advice(
                    meaning=_plain(meaning),
                    todo=_plain(todo),
                    continues=_plain(continues),
                    page=f"{PAGE}#{anchor}",
                ),
            )


def _plain(text: str) -> str:
    return _LINK.sub(r"\1", text).replace("\\|", "|")


def main(page: Path, output: Path) -> None:
    """Write reasons.json from the page."""
    rows = {name: entry.manifest() for name, entry in sorted(parse(page.read_text()).items())}
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
