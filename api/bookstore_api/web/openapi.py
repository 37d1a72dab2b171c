"""The API's description, with our problems in the place of FastAPI's own errors."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from bookstore_api.kit.problems import Problem

_CONDITIONS = {
    "if-match": "ETags, or `*`: 412 where the current one is none of them",
    "if-none-match": "ETags, or `*`: 304 where the current one is among them",
}


def install_openapi(app: FastAPI, security_schemes: Mapping[str, Any]) -> None:
    """Make the app describe itself so, when it is asked first."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _describe(app, security_schemes)
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]  # FastAPI's documented way


def _describe(app: FastAPI, security_schemes: Mapping[str, Any]) -> dict[str, Any]:
    schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
    schemas = schema["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs"))
    schemas["Problem"] = problem
    schema["components"]["securitySchemes"] = dict(security_schemes)
    for operations in schema["paths"].values():
        for method in {"get", "head"} & operations.keys():
            _describe_read(operations[method], has_body=method == "get")
    return schema


def _describe_read(operation: dict[str, Any], *, has_body: bool) -> None:
    """Add what the layer of conditional requests answers, and leave out what HEAD never has."""
    responses = operation["responses"]
    responses["304"] = {"description": "Not Modified: the ETag is one of those in If-None-Match"}
    if not has_body:
        for response in responses.values():
            response.pop("content", None)
    operation.setdefault("parameters", []).extend(
        {
            "name": name,
            "in": "header",
            "required": False,
            "schema": {"type": "string"},
            "description": description,
        }
        for name, description in _CONDITIONS.items()
    )
