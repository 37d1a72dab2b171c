"""The import and export of books over HTTP."""

from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from bookstore_api.auth.routes import StaffRoute
from bookstore_api.kit.problems import (
    InvalidField,
    InvalidRequestError,
    UnsupportedMediaTypeError,
    describe,
)
from bookstore_api.kit.routing import Router
from bookstore_api.kit.sessions import Reading, Writing
from bookstore_api.shop.catalog.csv_format import MEDIA_TYPE, CsvError
from bookstore_api.shop.catalog.exporting import export_csv
from bookstore_api.shop.catalog.importing import Outcome, Report, RowResult, import_csv

MAX_PROBLEMS = 1000
_CSV = {"schema": {"type": "string"}}

router = Router(
    prefix="/api/v1/books-csv",
    tags=["books"],
    route_class=StaffRoute,
    responses=describe(422, 429, 503),
)


class RowProblem(BaseModel):
    """A row that was left out."""

    line: int = Field(description="The line of the file that it begins at")
    errors: list[InvalidField]


class ImportReport(BaseModel):
    """What became of the rows."""

    dry_run: bool
    created: int
    updated: int
    unchanged: int
    failed: int
    problems: list[RowProblem] = Field(description=f"The first {MAX_PROBLEMS} rows that failed")


@router.get(
    "",
    response_class=StreamingResponse,
    responses={200: {"content": {MEDIA_TYPE: _CSV}}, **describe(412)},
)
async def export_books(read: Reading, request: Request) -> Response:
    """Export all books as CSV, as `POST` imports it."""
    headers = {"Content-Disposition": 'attachment; filename="books.csv"'}
    kind = f"{MEDIA_TYPE}; charset=utf-8; header=present"
    if request.method == "HEAD":
        return StreamingResponse(iter(()), headers=headers, media_type=kind)
    return StreamingResponse(export_csv(read), headers=headers, media_type=kind)


@router.post(
    "",
    openapi_extra={"requestBody": {"required": True, "content": {MEDIA_TYPE: _CSV}}},
)
async def import_books(
    write: Writing,
    request: Request,
    dry_run: Annotated[
        bool, Query(description="Whether to report what would be done, and do nothing")
    ] = False,
) -> ImportReport:
    """Import books as CSV: a row adds a book, or changes the one with its ISBN.

    Rows are stored 200 at a time. Where a file can't be read any further, what comes before it is
    stored: fix it, and send it again.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != MEDIA_TYPE:
        msg = f"Send CSV in UTF-8, with Content-Type: {MEDIA_TYPE}."
        raise UnsupportedMediaTypeError(msg, headers={"Accept": MEDIA_TYPE})
    problems: list[RowProblem] = []

    def note(result: RowResult) -> None:
        if result.outcome is Outcome.FAILED and len(problems) < MAX_PROBLEMS:
            problems.append(RowProblem(line=result.line, errors=list(result.errors)))

    report = Report(note)
    try:
        await import_csv(request.stream(), write, report, dry_run=dry_run)
    except CsvError as error:
        raise InvalidRequestError("body", str(error), "csv") from None
    counts = {outcome.value: report.counts[outcome] for outcome in Outcome}
    return ImportReport(dry_run=dry_run, problems=problems, **counts)
