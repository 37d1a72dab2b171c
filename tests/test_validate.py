"""The page of `make validate`: no property passes by tests that failed or did not run."""

import pytest

from tests.support.validate import PROPERTIES, counts_in, properties, report, result_of

pytestmark = pytest.mark.golden

JUNIT = """
<testsuites><testsuite>
 <testcase classname="tests.test_a" name="one"/>
 <testcase classname="tests.test_a.TestGroup" name="two"><skipped/></testcase>
 <testcase classname="tests.test_b" name="one"/>
 <testcase classname="tests.test_b" name="two"><failure>no</failure></testcase>
 <testcase classname="tests.test_c" name="one"><skipped/></testcase>
 <testcase classname="tests.test_else" name="one"><error/></testcase>
</testsuite></testsuites>
"""
FILES = ["tests/test_a.py", "tests/test_b.py", "tests/test_c.py", "tests/test_d.py"]


def test_outcomes_are_counted_by_file() -> None:
    counts = counts_in(JUNIT, FILES)
    assert [dict(counts[file]) for file in FILES] == [
        {"passed": 1, "skipped": 1},
        {"passed": 1, "failed": 1},
        {"skipped": 1},
        {},
    ]


@pytest.mark.parametrize(
    ("files", "result"),
    [
        (FILES[:1], "passed"),
        (FILES[:2], "**FAILED**"),
        ([FILES[0], FILES[2]], "**not run**"),
        ([FILES[0], FILES[3]], "**not run**"),
    ],
)
def test_a_property_holds_only_if_each_file_has_passed(files: list[str], result: str) -> None:
    assert result_of(files, counts_in(JUNIT, FILES)) == result


def test_the_page_has_each_property_with_its_tests() -> None:
    promised = properties(PROPERTIES.read_text())
    assert [item.name.partition(",")[0] for item in promised] == [f"P{n}" for n in range(1, 9)]
    assert all(item.files and item.promise for item in promised)
    files = [file for item in promised for file in item.files]
    page = report(promised, counts_in("<none/>", files), "Nothing ran.")
    assert page.count("**not run**") == 8
    assert all(f"| `{file}` |" in page for file in files)
