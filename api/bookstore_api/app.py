"""The public API of a process, put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

from fastapi import FastAPI

from bookstore_api import __version__
from bookstore_api.auth.staff import SCHEME, SCHEME_NAME, Staff, install_staff
from bookstore_api.db.sessions import Database
from bookstore_api.kit.problems import install_problem_handlers
from bookstore_api.process.drain import Drain
from bookstore_api.settings import Settings
from bookstore_api.shop.domains import DOMAINS, self_test
from bookstore_api.web.client_address import ClientAddresses
from bookstore_api.web.docs_page import docs_page
from bookstore_api.web.middleware.body_limit import BodyLimitMiddleware, BodyLimits
from bookstore_api.web.middleware.connection_close import ConnectionCloseMiddleware
from bookstore_api.web.middleware.cors import CorsMiddleware
from bookstore_api.web.middleware.error_handler import ErrorHandlerMiddleware
from bookstore_api.web.middleware.http_metrics import HttpMetricsMiddleware
from bookstore_api.web.middleware.rate_limit import RateLimitMiddleware, RateLimits
from bookstore_api.web.middleware.request_log import RequestLogMiddleware
from bookstore_api.web.middleware.security_headers import SecurityHeadersMiddleware
from bookstore_api.web.openapi import install_openapi
from bookstore_api.web.resources import Resources, open_resources


class State(TypedDict):
    """What a request of the public app finds in `request.state`."""

    database: Database


def create_app(settings: Settings, resources: Resources | None = None) -> FastAPI:
    """Make the public API; it opens resources of its own where none are given."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
        if resources is not None:
            yield State(database=resources.database)
            return
        async with open_resources(settings, self_test) as own:
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
    install_openapi(app, {SCHEME_NAME: SCHEME})
    return app


def _wrap(app: FastAPI, settings: Settings, resources: Resources | None) -> None:
    """Put the layers around the app that every request passes, here from the inside out."""
    limits = RateLimits(settings, resources.redis if resources else None)
    if not limits.off:
        app.add_middleware(RateLimitMiddleware, limits=limits)
    app.add_middleware(
        BodyLimitMiddleware, limits=BodyLimits(settings.max_body_bytes, settings.body_seconds)
    )
    app.add_middleware(ErrorHandlerMiddleware, debug=settings.debug)
    if settings.cors_origins:
        app.add_middleware(CorsMiddleware, origins=settings.cors_origins)
    app.add_middleware(SecurityHeadersMiddleware)
    app.add_middleware(ConnectionCloseMiddleware, drain=resources.drain if resources else Drain())
    app.add_middleware(HttpMetricsMiddleware)
    app.add_middleware(RequestLogMiddleware, clients=ClientAddresses(settings.trusted_proxies))
