"""The public API of a process, put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

from fastapi import FastAPI
from starlette.middleware import Middleware

from bookstore_api import __version__
from bookstore_api.auth import authenticator, staff
from bookstore_api.auth.authenticator import Authenticator
from bookstore_api.auth.passwords import Passwords
from bookstore_api.cache.store import ResponseStore
from bookstore_api.db.cursor_keys import CursorKeys
from bookstore_api.db.sessions import Database
from bookstore_api.kit.key_ring import KeyRing
from bookstore_api.kit.problems import install_problem_handlers
from bookstore_api.settings import Settings
from bookstore_api.shop.accounts.domain import live_role_in
from bookstore_api.shop.domain import Domain
from bookstore_api.shop.domains import DOMAINS
from bookstore_api.shop.housekeeping import housekeeping
from bookstore_api.shop.orders.gate import Gate
from bookstore_api.shop.payments.provider import Provider, provider_of
from bookstore_api.telemetry.metrics import count_cached
from bookstore_api.web.cached_routes import CachedRoutes
from bookstore_api.web.client_address import ClientAddresses
from bookstore_api.web.docs_page import docs_page
from bookstore_api.web.middleware.body_limit import BodyLimitMiddleware, BodyLimits
from bookstore_api.web.middleware.conditional import ConditionalMiddleware
from bookstore_api.web.middleware.connection_close import ConnectionCloseMiddleware
from bookstore_api.web.middleware.cors import CorsMiddleware
from bookstore_api.web.middleware.error_handler import ErrorHandlerMiddleware
from bookstore_api.web.middleware.http_metrics import HttpMetricsMiddleware
from bookstore_api.web.middleware.rate_limit import RateLimitMiddleware, RateLimits
from bookstore_api.web.middleware.request_log import RequestLogMiddleware
from bookstore_api.web.middleware.response_cache import ResponseCacheMiddleware
from bookstore_api.web.middleware.revision import RevisionMiddleware
from bookstore_api.web.middleware.security_headers import SecurityHeadersMiddleware
from bookstore_api.web.openapi import install_openapi
from bookstore_api.web.resources import Resources


class State(TypedDict):
    """What a request of the public app finds in `request.state`."""

    database: Database
    authenticator: Authenticator
    keys: KeyRing
    passwords: Passwords
    domains: tuple[Domain, ...]
    cursor_keys: CursorKeys
    settings: Settings
    payment_provider: Provider | None
    checkout_gate: Gate


def create_app(resources: Resources) -> FastAPI:
    """Make the public API; whoever opened the resources closes them when it has ended."""
    settings = resources.settings
    store = _response_store(resources)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
        database, keys, passwords = resources.database, resources.keys, Passwords()
        async with housekeeping(settings, database), _running(store):
            yield State(
                database=database,
                authenticator=Authenticator(settings, keys, live_role_in(database)),
                keys=keys,
                passwords=passwords,
                domains=DOMAINS,
                cursor_keys=CursorKeys(),
                settings=settings,
                payment_provider=provider_of(settings),
                checkout_gate=Gate(settings.database_pool_size),
            )
        passwords.close()

    app = FastAPI(
        title="BookStore API",
        version=__version__,
        lifespan=lifespan,
        middleware=_layers(resources, store),
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
    schemes = {module.SCHEME_NAME: module.SCHEME for module in (staff, authenticator)}
    install_openapi(app, schemes)
    return app


def _response_store(resources: Resources) -> ResponseStore | None:
    """Make the cache of answers; None without Redis, by which processes tell of their writes."""
    settings = resources.settings
    if resources.redis is None or settings.cache_seconds == 0:
        return None
    return ResponseStore(
        resources.redis,
        namespace=settings.revision or __version__,
        seconds=settings.cache_seconds,
        local_seconds=settings.cache_local_seconds,
        count=count_cached,
    )


@asynccontextmanager
async def _running(store: ResponseStore | None) -> AsyncIterator[None]:
    """Run the store, if there is one."""
    if store is None:
        yield
        return
    store.start()
    try:
        yield
    finally:
        await store.close()


def _layers(resources: Resources, store: ResponseStore | None) -> list[Middleware]:
    """List what every request passes, outermost first."""
    settings = resources.settings
    body_limits = BodyLimits(settings.max_body_bytes, settings.body_seconds)
    rate_limits = RateLimits(settings, resources.redis)
    cors = [Middleware(CorsMiddleware, origins=settings.cors_origins)]
    rate_limit = [Middleware(RateLimitMiddleware, limits=rate_limits)]
    revision = [Middleware(RevisionMiddleware, revision=settings.revision)]
    cached = CachedRoutes(each for domain in DOMAINS for each in domain.cached)
    response_cache = (
        [Middleware(ResponseCacheMiddleware, store=store, routes=cached)] if store else []
    )
    return [
        Middleware(RequestLogMiddleware, clients=ClientAddresses(settings.trusted_proxies)),
        Middleware(HttpMetricsMiddleware),
        Middleware(ConnectionCloseMiddleware, drain=resources.drain),
        Middleware(SecurityHeadersMiddleware),
        *(revision if settings.revision else ()),
        *(cors if settings.cors_origins else ()),
        Middleware(ErrorHandlerMiddleware, debug=settings.debug),
        Middleware(BodyLimitMiddleware, limits=body_limits),
        *(() if rate_limits.off else rate_limit),
        Middleware(ConditionalMiddleware),
        *response_cache,
    ]
