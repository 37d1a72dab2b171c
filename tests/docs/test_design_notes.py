"""Every design note has the same five parts on one page, and a row in the index."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.golden

FOLDER = Path(__file__).parents[2] / "docs" / "design"
NOTES = sorted(FOLDER.glob("[0-9]*.md"))
PARTS = ["Question", "Decision", "Rejected", "Cost", "Undo"]
MAX_LINES = 50
INDEX = (FOLDER / "README.md").read_text()


@pytest.mark.parametrize("note", NOTES, ids=lambda note: str(note.stem))
def test_a_note_has_its_five_parts_on_one_page(note: Path) -> None:
    lines = note.read_text().splitlines()
    number = note.name[:4]
    assert re.fullmatch(rf"# {number}: .+", lines[0])
    assert re.findall(r"^## (.+)$", note.read_text(), re.MULTILINE) == PARTS
    prose = [line for line in lines if not line.startswith("|")]
    assert len(prose) <= MAX_LINES, f"a note is a page: at most {MAX_LINES} lines beside tables"


def test_the_index_lists_every_note_in_order_and_no_other() -> None:
    rows = re.findall(r"^\| \[(\d{4})\]\((\S+)\) \| \S.* \|$", INDEX, re.MULTILINE)
    assert rows == [(note.name[:4], note.name) for note in NOTES]
