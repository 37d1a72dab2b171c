"""The page of properties lists the tests that name one in their docstrings, and no others."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.golden

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "reference" / "properties.md"
TITLES = dict(re.findall(r"^## (P\d), (.+)$", PAGE.read_text(), re.MULTILINE))
NAMED = re.compile(r"\b(P[1-9])\b(?:, ([^:.]+): )?")


def listed() -> set[tuple[str, str]]:
    """Each property and the path of a test file on the page."""
    return {
        (section[:2], path)
        for section in re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]
        for path in re.findall(r"^- `(tests/\S+\.py)`", section, re.MULTILINE)
    }


def docstrings(path: Path) -> Iterator[str]:
    """The docstrings of a module, its classes and its functions."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def named() -> set[tuple[str, str, str]]:
    """Each property, its name in words and the path of the file, where a docstring names it."""
    return {
        (number, words, str(path.relative_to(TESTS.parent)))
        for path in sorted(TESTS.rglob("test_*.py"))
        for text in docstrings(path)
        for number, words in NAMED.findall(text)
    }


def test_there_are_eight() -> None:
    assert list(TITLES) == [f"P{number}" for number in range(1, 9)]


def test_a_docstring_names_its_property_in_words() -> None:
    wrong = [pair for pair in named() if TITLES.get(pair[0]) != pair[1]]
    assert not wrong, f"write it as on the page, 'P8, migration idempotency: …': {wrong}"


def test_the_page_lists_the_tests_that_name_a_property_and_no_others() -> None:
    tests = {(number, file) for number, _, file in named()}
    assert tests - listed() == set(), f"add these to {PAGE.name}"
    assert listed() - tests == set(), f"these name no such property: {PAGE.name}"
    assert {number for number, _ in tests} == set(TITLES), "a property without a test"
