"""Import and export of books as CSV: over HTTP and by the commands."""

import csv
import io
import json
import resource
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookstore_api.shop.catalog import csv_format
from bookstore_api.shop.catalog.csv_format import COLUMNS, CsvError, RowReader
from bookstore_api.shop.catalog.isbn import make_isbn
from tests.api.shop.catalog.test_books import BOOKS, create, problem
from tests.support.bookstore import environment, execute, run_command

CSV = "/api/v1/books-csv"
HEADER = ",".join(COLUMNS)
TYPE = {"content-type": "text/csv"}


def line(number: int, **cells: str) -> str:
    row = {"isbn": make_isbn(number), "title": f"Title {number}", "authors": "A|B"}
    row |= {
        "amount": "9.90",
        "currency": "EUR",
        "published_on": "2001-02-03",
        "description": "",
        "language": "en",
    }
    text = io.StringIO()
    csv.writer(text).writerow((row | {"publisher": "", **cells})[column] for column in COLUMNS)
    return text.getvalue()


def send(api: httpx.Client, *lines: str, header: str = HEADER, **query: str) -> dict[str, Any]:
    content = "\n".join([header, *lines]).encode()
    answer = api.post(CSV, content=content, headers=TYPE, params=query)
    assert answer.status_code == 200, answer.text
    report: dict[str, Any] = answer.json()
    return report


def counts(report: dict[str, Any]) -> tuple[int, ...]:
    return tuple(report[name] for name in ("created", "updated", "unchanged", "failed"))


def test_rows_add_and_change_books_by_isbn(api: httpx.Client) -> None:
    rows = [line(number, publisher="Press") for number in range(3)]
    assert counts(send(api, *rows, dry_run="true")) == (3, 0, 0, 0)
    assert api.get(BOOKS).json()["items"] == []
    assert counts(send(api, *rows)) == (3, 0, 0, 0)
    before = api.get(BOOKS).json()["items"]
    assert counts(send(api, *rows)) == (0, 0, 3, 0)
    assert api.get(BOOKS).json()["items"] == before
    assert counts(send(api, rows[0], line(1, title="Other", language=""))) == (0, 1, 1, 0)
    changed = api.get(f"{BOOKS}/{before[1]['id']}")
    assert (changed.json()["title"], changed.json()["language"]) == ("Other", None)
    assert changed.headers["etag"] == '"2"'
    assert len(api.get(BOOKS, params={"q": "other"}).json()["items"]) == 1


def test_a_column_that_is_left_out_stays_as_it_is(api: httpx.Client) -> None:
    book = create(api, 1, description="Kept", language="de")
    short = f"{book['isbn']},New,A,1,EUR"
    assert counts(send(api, short, header="isbn,title,authors,amount,currency")) == (0, 1, 0, 0)
    now = api.get(f"{BOOKS}/{book['id']}").json()
    assert (now["title"], now["description"], now["language"]) == ("New", "Kept", "de")
    assert now["published_on"] == book["published_on"]


def test_each_wrong_row_is_reported_and_the_others_are_stored(api: httpx.Client) -> None:
    rows = [
        line(1), line(2, isbn="canary"), line(3, description="two\nlines"), line(4, amount="1.999"),
        line(5, title=""), line(6),
    ]  # fmt: skip
    answer = api.post(CSV, content="\n".join([HEADER, *rows]).encode(), headers=TYPE)
    assert "canary" not in answer.text
    report = answer.json()
    assert counts(report) == (3, 0, 0, 3)
    where = [(row["line"], row["errors"][0]["location"]) for row in report["problems"]]
    assert where == [(4, "isbn"), (9, "price"), (11, "title")]


WRONG = {
    b"": "empty", b"isbn,title": "lacks authors, amount, currency",
    HEADER.encode() + b",pages\n": "must name columns", HEADER.encode() + b"\n1,2\n": "2 cells",
    HEADER.encode() + b'\n"open': "never closed", HEADER.encode() + b"\n\xff\n": "UTF-8",
    HEADER.encode() + b"\na" + b"," * 8 + b'"x"y\n': "no CSV",
    HEADER.encode() + b'\n"' + b"a\n" * 60_000: "at most 100,000 characters",
}  # fmt: skip


@pytest.mark.parametrize("content", WRONG, ids=WRONG.values())
def test_a_file_that_is_no_such_csv_is_422(api: httpx.Client, content: bytes) -> None:
    answer = api.post(CSV, content=content, headers=TYPE)
    [error] = problem(answer, 422)["errors"]
    assert WRONG[content] in error["message"]


def test_another_type_is_415(api: httpx.Client) -> None:
    answer = api.post(CSV, content=b"{}", headers={"content-type": "application/json"})
    problem(answer, 415)
    assert answer.headers["accept"] == "text/csv"


def test_what_spreadsheets_write_is_read(api: httpx.Client) -> None:
    """A byte order mark, semicolons, and lines that end with a carriage return."""
    rows = [HEADER.replace(",", ";"), f"{make_isbn(1)};T;A;1;EUR;;;;", ""]
    answer = api.post(CSV, content="\r\n".join(rows).encode("utf-8-sig"), headers=TYPE)
    assert counts(answer.json()) == (1, 0, 0, 0)


ODD = ["=1+1", "-5", "+a", "@x", "'quoted'", "'=a", 'a "b"', "a,b;c", "é 😀"]


def test_what_is_exported_is_imported_again(api: httpx.Client) -> None:
    for number, text in enumerate(ODD):
        create(api, number, title=text, authors=[text, "B"], description=f"{text}\n\n{text}")
    exported = api.get(CSV)
    assert exported.headers["content-type"].startswith("text/csv")
    titles = [row["title"] for row in csv.DictReader(io.StringIO(exported.text))]
    assert titles[0] == "'=1+1"
    assert not any(title.startswith(("=", "-", "+", "@")) for title in titles)
    before = api.get(BOOKS, params={"limit": 100}).json()
    again = api.post(CSV, content=exported.content, headers=TYPE)
    assert counts(again.json()) == (0, 0, len(ODD), 0)
    for book in before["items"]:
        assert api.delete(f"{BOOKS}/{book['id']}").status_code == 204
    assert counts(api.post(CSV, content=exported.content, headers=TYPE).json())[0] == len(ODD)
    assert rows_of(api.get(CSV).text) == rows_of(exported.text)
    assert api.head(CSV).status_code == 200


def rows_of(text: str) -> list[list[str]]:
    """The rows in any order: that of books which were created at once."""
    return sorted(csv.reader(io.StringIO(text)))


CELLS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20)


@given(st.lists(st.lists(CELLS, min_size=9, max_size=9), max_size=5), st.integers(1, 7))
def test_rows_are_read_from_bytes_cut_anywhere(cells: list[list[str]], size: int) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([COLUMNS, *cells])
    data = text.getvalue().encode()
    reader, rows = RowReader(), []
    for begin in range(0, len(data), size):
        rows += reader.feed(data[begin : begin + size])
    rows += reader.feed(b"", last=True)
    read = [list(row.cells.values()) for row in rows]
    assert read == [[csv_format._read_cell(cell) for cell in row] for row in cells]


def test_a_header_of_any_delimiter_names_columns_only() -> None:
    with pytest.raises(CsvError, match="lacks isbn"):
        RowReader().feed(b"title;authors;amount;currency\n")


def test_the_commands_seed_export_and_import(url: str, tmp_path: Path) -> None:
    env = environment(url, tmp_path)

    def run(*arguments: str) -> dict[str, Any]:
        ended = run_command(*arguments, env=env, cwd=tmp_path)
        assert ended.code == 0, ended
        return ended.outcome

    assert run("seed", "--books", "450")["added"] == 450
    assert run("seed", "--books", "500")["added"] == 50
    run("export-books", "books.csv")
    execute(url, "DELETE FROM books")
    dry = run("import-books", "books.csv", "--dry-run", "--report", "rows.jsonl")
    assert dry["rows"] == {"created": 500, "updated": 0, "unchanged": 0, "failed": 0}
    rows = [json.loads(row) for row in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [row["line"] for row in rows] == list(range(2, 502))
    assert execute(url, "SELECT count(*) FROM books") == [(0,)]
    assert run("import-books", "books.csv")["rows"]["created"] == 500
    assert execute(url, "SELECT count(*) FROM books") == [(500,)]


def test_a_failed_row_fails_the_command_and_nothing_else(url: str, tmp_path: Path) -> None:
    (tmp_path / "books.csv").write_text(f"{HEADER}\n{line(1)}\n{line(2, isbn='1')}\n")
    ended = run_command("import-books", "books.csv", env=environment(url, tmp_path), cwd=tmp_path)
    assert (ended.code, ended.outcome["code"]) == (1, "failed")
    assert ended.outcome["rows"] == {"created": 1, "updated": 0, "unchanged": 0, "failed": 1}


@pytest.mark.nightly
@pytest.mark.timeout(1200)
def test_100_000_rows_are_imported_in_bounded_memory(url: str, tmp_path: Path) -> None:
    """The largest process of all that this one has waited for is the import's."""
    with (tmp_path / "books.csv").open("w") as file:
        file.write(f"{HEADER}\n")
        file.writelines(line(number, description="word " * 50) for number in range(100_000))
    ended = run_command("import-books", "books.csv", env=environment(url, tmp_path), cwd=tmp_path)
    assert ended.outcome["rows"]["created"] == 100_000
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"peak {peak:.0f} MiB on {sys.platform}")
    assert peak < 300
