"""Errors as RFC 9457 problem details. Nothing that a client sent is ever repeated in one."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import structlog
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from bookstore_api.db.errors import DatabaseUnavailableError
from bookstore_api.kit.errors import (
    ConflictError,
    InvalidChangeError,
    NotFoundError,
    PreconditionFailedError,
    ShopError,
)
from bookstore_api.telemetry.request_state import request_state

MEDIA_TYPE = "application/problem+json"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
UNPROCESSABLE = 422
# Named by RFC 9110, which Python's own table follows only from 3.13 on.
TITLES = {413: "Content Too Large", 414: "URI Too Long", UNPROCESSABLE: "Unprocessable Content"}
RETRY_AFTER_SECONDS = "2"
MAX_ERRORS = 100
INVALID = "The request is not valid."
VALUE_ERROR = "value_error"
JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
PATCH_TYPES = f"{MERGE_PATCH}, {JSON}"
# What the framework's own errors mean here.
DETAILS = {
    HTTPStatus.NOT_FOUND: "There is nothing at this path.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This path takes the methods in the Allow header only.",
}

# What an answer says of a database that can't do it at the moment.
UNREACHABLE = "The database does not answer at the moment. Try again."
UNAVAILABLE: Mapping[str, str] = MappingProxyType(
    {
        "busy": "The database is busy with other requests for the same data. Try again.",
        "read-only": "The database accepts no changes at the moment. Try again.",
        "no-resources": "The database has no room for this at the moment. Try again.",
    }
)

# How HTTP answers what the shop raises.
STATUSES: Mapping[type[ShopError], HTTPStatus] = MappingProxyType(
    {
        NotFoundError: HTTPStatus.NOT_FOUND,
        ConflictError: HTTPStatus.CONFLICT,
        PreconditionFailedError: HTTPStatus.PRECONDITION_FAILED,
    }
)

log = structlog.stdlib.get_logger(__name__)


class InvalidField(BaseModel):
    """One part of a request that is wrong."""

    location: str = Field(
        description="Where: body, query, path or header, then the field",
        examples=["body/price/amount"],
    )
    message: str = Field(description="What is expected there")
    code: str = Field(description="The same, for programs")


UNREADABLE = InvalidField(
    location="body", message="No JSON in UTF-8, or nested too deep", code="unreadable"
)


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str = Field(default="about:blank", description="about:blank: the status says it all")
    title: str = Field(description="The status in words", examples=["Not Found"])
    status: int = Field(description="The HTTP status code", examples=[404])
    detail: str | None = Field(default=None, description="What went wrong and what to do")
    errors: list[InvalidField] | None = Field(
        default=None, description="Of a 422, every wrong field; of a 409, every part in the way"
    )


class ProblemError(HTTPException):
    """Raised by what knows HTTP to answer with a problem; the shop raises a ShopError.

    An HTTPException, as FastAPI makes any other that comes out of reading a body a 400.
    """

    status: int = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(self, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(self.status, detail, headers)


class ContentTooLargeError(ProblemError):
    """The body is larger than is taken."""

    status = 413


class RequestTimeoutError(ProblemError):
    """The body does not arrive."""

    status = HTTPStatus.REQUEST_TIMEOUT


class PreconditionRequiredError(ProblemError):
    """A change must say of which version it is (RFC 6585)."""

    status = HTTPStatus.PRECONDITION_REQUIRED


class UnsupportedMediaTypeError(ProblemError):
    """The body is of a type or coding that is not read here; `headers` say which are."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class InvalidRequestError(ProblemError):
    """A field is wrong in a way that only the code can tell."""

    status = UNPROCESSABLE

    def __init__(self, location: str, message: str, code: str) -> None:
        super().__init__(INVALID)
        self.field = InvalidField(location=location, message=message, code=code)


def problem_response(
    status: int,
    detail: str | None = None,
    *,
    errors: Sequence[InvalidField] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Make a problem a response."""
    problem = Problem(
        title=_title(status),
        status=int(status),
        detail=detail,
        errors=list(errors) if errors else None,
    )
    return Response(
        problem.model_dump_json(exclude_none=True),
        status_code=int(status),
        headers=dict(headers or {}),
        media_type=MEDIA_TYPE,
    )


def describe(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Tell `responses=` of a route which problems it may answer with."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": _title(status),
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in statuses
    }


def _title(status: int) -> str:
    return TITLES.get(status) or HTTPStatus(status).phrase


def install_problem_handlers(app: Starlette) -> None:
    """Make the app answer every error with a problem."""
    app.add_exception_handler(ShopError, _on_shop_error)
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(DatabaseUnavailableError, _on_database_unavailable)


async def _on_shop_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ShopError)  # noqa: S101 - registered for it
    if isinstance(error, InvalidChangeError):
        field = InvalidField(location=f"body/{error.field}", message=str(error), code=VALUE_ERROR)
        return problem_response(UNPROCESSABLE, INVALID, errors=[field])
    parts = error.parts if isinstance(error, ConflictError) else ()
    fields = [InvalidField(**asdict(part)) for part in parts]
    return problem_response(STATUSES[type(error)], str(error), errors=fields)


async def _on_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101 - registered for it
    fields = [error.field] if isinstance(error, InvalidRequestError) else None
    return problem_response(error.status, error.detail, errors=fields, headers=error.headers)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    if error.status_code == HTTPStatus.BAD_REQUEST:  # so FastAPI says that it can't read the body
        return problem_response(UNPROCESSABLE, INVALID, errors=[UNREADABLE])
    headers = dict(error.headers or {})
    everywhere = request.method == "OPTIONS" and request.scope["path"] == "*"
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED or everywhere:
        allowed = METHODS if everywhere else tuple(filter(partial(_is_allowed, request), METHODS))
        headers["Allow"] = ", ".join(allowed)
        if "PATCH" in allowed:
            headers["Accept-Patch"] = PATCH_TYPES
        if request.method == "OPTIONS":
            return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)
    return problem_response(
        error.status_code, DETAILS.get(HTTPStatus(error.status_code)), headers=headers
    )


def _is_allowed(request: Request, method: str) -> bool:
    """Whether any route here has the method: Starlette's answer names those of the first only."""
    if method == "OPTIONS":
        return True
    scope = {**request.scope, "method": method}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    if isinstance(error.body, bytes):  # it was not read, as nothing said what it is
        return await _on_problem(request, unsupported_type(request.method))
    return problem_response(UNPROCESSABLE, INVALID, errors=invalid_fields(error.errors()))


def unsupported_type(method: str) -> UnsupportedMediaTypeError:
    """Make the answer to a body of a type that is not read, which names those that are.

    See RFC 9110, 12.5.1 and 15.5.16, and RFC 5789, 2.2.
    """
    if method == "PATCH":
        detail = f"Send JSON, with Content-Type: {MERGE_PATCH} or {JSON}."
        return UnsupportedMediaTypeError(detail, headers={"Accept-Patch": PATCH_TYPES})
    return UnsupportedMediaTypeError(
        f"Send JSON, with Content-Type: {JSON}.", headers={"Accept": JSON}
    )


async def _on_database_unavailable(request: Request, error: Exception) -> Response:
    assert isinstance(error, DatabaseUnavailableError)  # noqa: S101 - registered for it
    request_state(request.scope).error = "database_unavailable"
    log.warning("database unavailable", reason=error.failure.code)
    return problem_response(
        HTTPStatus.SERVICE_UNAVAILABLE,
        UNAVAILABLE.get(error.failure.code, UNREACHABLE),
        headers={"Retry-After": RETRY_AFTER_SECONDS},
    )


def invalid_fields(items: Sequence[Mapping[str, Any]]) -> list[InvalidField]:
    """Name each wrong field once, and no more of them than anybody reads."""
    fields = {(field.location, field.code): field for field in map(_invalid_field, items)}
    return list(fields.values())[:MAX_ERRORS]


def _invalid_field(item: Mapping[str, Any]) -> InvalidField:
    """One of pydantic's errors without input, context and names that the client made up."""
    code, location, message = str(item["type"]), list(item["loc"]), str(item["msg"])
    # Of a merge patch, any name may be sent with null: what is not there is removed.
    if code in {"extra_forbidden", "none_required"}:
        location, code = location[:-1], "extra_forbidden"
        message = "A field that is not known here"
    elif code == VALUE_ERROR:
        message = str(item["ctx"]["error"])  # pydantic's own message begins with "Value error, "
    elif code in {"model_attributes_type", "model_type"}:
        message = "Not an object"
    elif code.endswith("_parsing"):
        message = message.partition(",")[0]  # the rest shows what was sent
    return InvalidField(location="/".join(map(str, location)), message=message, code=code)
