"""The public API of a process, and what it shares with the internal app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypedDict

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from bookstore_api import __version__
from bookstore_api.cache.client import RedisClient, open_redis
from bookstore_api.client_address import ClientAddresses
from bookstore_api.db.sessions import Database, open_database
from bookstore_api.docs_page import docs_page
from bookstore_api.health import Health
from bookstore_api.kit.problems import Problem, install_problem_handlers
from bookstore_api.middleware.body_limit import BodyLimit, BodyLimits
from bookstore_api.middleware.boundary import Boundary
from bookstore_api.middleware.connections import Connections
from bookstore_api.middleware.cors import Cors
from bookstore_api.middleware.http_metrics import HttpMetrics
from bookstore_api.middleware.last_resort import LastResort
from bookstore_api.middleware.rate_limit import RateLimit, RateLimits
from bookstore_api.middleware.security_headers import SecurityHeaders
from bookstore_api.process.drain import Drain
from bookstore_api.settings import Settings
from bookstore_api.shop.domains import DOMAINS, self_test
from bookstore_api.staff import SCHEME, SCHEME_NAME, Staff, install_staff


@dataclass(frozen=True)
class Resources:
    """What the apps of one process share."""

    settings: Settings
    database: Database
    redis: RedisClient | None
    drain: Drain
    health: Health


class State(TypedDict):
    """What a request of the public app finds in `request.state`."""

    database: Database


@asynccontextmanager
async def open_resources(settings: Settings) -> AsyncIterator[Resources]:
    """Open what the apps share, and close it; raises SettingsError."""
    database, redis, drain = open_database(settings), open_redis(settings), Drain()
    health = Health(settings, database, redis, drain, self_test)
    try:
        yield Resources(settings, database, redis, drain, health)
    finally:
        await health.close()
        if redis is not None:
            await redis.close()
        await database.close()


def create_app(settings: Settings, resources: Resources | None = None) -> FastAPI:
    """Make the public API; it opens resources of its own where none are given."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
        if resources is not None:
            yield State(database=resources.database)
            return
        async with open_resources(settings) as own:
            yield State(database=own.database)

    app = FastAPI(
        title="BookStore API",
        version=__version__,
        lifespan=lifespan,
        openapi_url="/openapi.json" if settings.docs else None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    if settings.docs:
        app.add_route("/docs", docs_page, include_in_schema=False)
    install_problem_handlers(app)
    for domain in DOMAINS:
        app.include_router(domain.router)
    install_staff(app, Staff(settings))
    _wrap(app, settings, resources)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # FastAPI's documented way
    return app


def _wrap(app: FastAPI, settings: Settings, resources: Resources | None) -> None:
    """Put the layers around the app that every request passes, here from the inside out."""
    limits = RateLimits(settings, resources.redis if resources else None)
    if not limits.off:
        app.add_middleware(RateLimit, limits=limits)
    app.add_middleware(BodyLimit, limits=BodyLimits(settings.max_body_bytes, settings.body_seconds))
    app.add_middleware(LastResort, debug=settings.debug)
    if settings.cors_origins:
        app.add_middleware(Cors, origins=settings.cors_origins)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Connections, drain=resources.drain if resources else Drain())
    app.add_middleware(HttpMetrics)
    app.add_middleware(Boundary, clients=ClientAddresses(settings.trusted_proxies))


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Describe the API, with our problems in the place of FastAPI's own errors."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
        schemas = schema["components"]["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(problem.pop("$defs"))
        schemas["Problem"] = problem
        schema["components"]["securitySchemes"] = {SCHEME_NAME: SCHEME}
        app.openapi_schema = schema
    return app.openapi_schema
