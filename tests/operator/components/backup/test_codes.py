"""What the codes of bookstore-backup mean for a BookStore."""

import re
from pathlib import Path

import pytest

from bookstore_backup.errors import Code
from bookstore_operator.components.backup.codes import ADVICE

pytestmark = pytest.mark.golden

PAGE = (Path(__file__).parents[4] / "docs/reference/bookstore-backup.md").read_text("utf-8")


def test_advice_is_about_codes_that_the_tool_has() -> None:
    assert set(ADVICE) <= set(Code)


def test_the_page_has_the_advice_on_each_code() -> None:
    section = PAGE.partition("## In a cluster")[2]
    rows = dict(re.findall(r"^\| `([-a-z]+)` \| (.*) \|$", section, re.MULTILINE))
    assert rows.keys() - {"code", "disk-full"} == set(ADVICE)
    for code, text in ADVICE.items():
        assert rows[code].replace("`", "") == text.replace("`", ""), code
