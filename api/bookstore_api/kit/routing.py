"""What every route of the API does before its own code, and the router that makes them."""

from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from bookstore_api.kit.json_body import JsonRequest, is_accepted
from bookstore_api.kit.problems import (
    InvalidRequestError,
    UnsupportedMediaTypeError,
    unsupported_type,
)
from bookstore_api.telemetry.request_state import headers_of

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Route(APIRoute):
    """A route that ignores nothing it was sent: no query parameter, no type or coding of a body."""

    def get_route_handler(self) -> Handler:
        """Reject what the route does not know, before FastAPI's own handling."""
        handle: Handler = super().get_route_handler()
        names = _query_names(self.dependant)

        async def check_first(request: Request) -> Response:
            _check_query(request, names)
            if self.body_field is None:
                return await handle(request)
            _check_coding(request)
            _check_type(request)
            return await handle(JsonRequest(request.scope, request.receive))

        return check_first


class Router(APIRouter):
    """A router whose every GET route answers HEAD as well (RFC 9110, 9.1)."""

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Add a route, and that of HEAD to one of GET: the server leaves out the body."""
        super().add_api_route(path, endpoint, **options)
        if list(options.get("methods") or ()) == ["GET"]:
            super().add_api_route(path, endpoint, **{**options, "methods": ["HEAD"]})


def _query_names(dependant: Dependant) -> set[str]:
    """Return the query parameters of a route and of what it depends on."""
    names = {field.alias for field in dependant.query_params}
    return names.union(*map(_query_names, dependant.dependencies))


def _check_query(request: Request, names: set[str]) -> None:
    """Raise InvalidRequestError for a parameter that is not known, or is there twice."""
    for name, count in Counter(name for name, _ in request.query_params.multi_items()).items():
        if name not in names:
            raise InvalidRequestError(
                "query", "A parameter that is not known here", "extra_forbidden"
            )
        if count > 1:
            raise InvalidRequestError(f"query/{name}", "Only one is allowed", "duplicate")


def _check_type(request: Request) -> None:
    """Raise UnsupportedMediaTypeError for a body of a type that is not read."""
    values = headers_of(request.scope).get(b"content-type", ())
    content_type = b", ".join(values).decode("latin-1")
    if values and not is_accepted(request.method, content_type):
        raise unsupported_type(request.method)


def _check_coding(request: Request) -> None:
    """Raise UnsupportedMediaTypeError for a body that is compressed."""
    values = b",".join(headers_of(request.scope).get(b"content-encoding", ())).lower()
    if any(coding.strip() not in {b"", b"identity"} for coding in values.split(b",")):
        raise UnsupportedMediaTypeError(
            "Send the body without a Content-Encoding.", headers={"Accept-Encoding": "identity"}
        )
