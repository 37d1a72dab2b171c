"""The app of probes and facts, for the port that no Service exposes: whoever reaches it may ask."""

import asyncio

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bookstore_api import __version__
from bookstore_api.health.checks import REDIS
from bookstore_api.health.finding import State
from bookstore_api.health.report import Dependency
from bookstore_api.kit.problems import install_problem_handlers
from bookstore_api.telemetry.exposition import choose_exposition
from bookstore_api.telemetry.metrics import (
    DependencyState,
    ProcessState,
    RedisState,
    StateCollector,
)
from bookstore_api.web.middleware.connection_close import ConnectionCloseMiddleware
from bookstore_api.web.middleware.error_handler import ErrorHandlerMiddleware
from bookstore_api.web.middleware.security_headers import SecurityHeadersMiddleware
from bookstore_api.web.resources import Resources


def create_internal_app(resources: Resources) -> Starlette:
    """Make the app; of its answers only /livez waits for nothing at all."""
    health = resources.health

    async def livez(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> JSONResponse:
        status, body = await health.readiness()
        return JSONResponse(body, status)

    async def report(_request: Request) -> JSONResponse:
        status, body = await health.report()
        return JSONResponse(body, status)

    async def version(_request: Request) -> JSONResponse:
        keys = await resources.keys.loaded()
        listed = {
            "signingKeys": keys.kids if keys else [],
            "signingKey": keys.signing if keys else None,
        }
        return JSONResponse({**await health.version(), **listed})

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_exposition(request.headers.getlist("accept"))
        collector = StateCollector(await _state(resources))
        # In a thread: with hundreds of series it takes longer than requests should wait.
        page = await asyncio.to_thread(encode, collector)
        return Response(page, headers={"content-type": content_type, "vary": "Accept"})

    app = Starlette(
        routes=[
            Route("/livez", livez),
            Route("/readyz", readyz),
            Route("/health", report),
            Route("/version", version),
            Route("/metrics", metrics),
        ],
        middleware=[
            Middleware(ConnectionCloseMiddleware, drain=resources.drain),
            Middleware(SecurityHeadersMiddleware),
            Middleware(ErrorHandlerMiddleware),
        ],
    )
    install_problem_handlers(app)
    return app


async def _state(resources: Resources) -> ProcessState:
    """Read what this process is and how it is at this moment."""
    settings, health = resources.settings, resources.health
    dependencies = await health.dependencies()
    return ProcessState(
        version=__version__,
        revision=settings.revision,
        color=settings.color,
        ready=await health.ready(),
        states=[state.value for state in State],
        dependencies=[
            DependencyState(
                dependency.finding.dependency,
                dependency.finding.state.value,
                dependency.finding.latency,
                dependency.age,
            )
            for dependency in dependencies
        ],
        pool=resources.database.pool_state(),
        redis=_redis(resources, dependencies),
    )


def _redis(resources: Resources, dependencies: list[Dependency]) -> RedisState | None:
    if resources.redis is None:
        return None
    works = {State.OK, State.DEGRADED}
    up = any(d.finding.dependency == REDIS and d.finding.state in works for d in dependencies)
    return RedisState(up=up, breaker_open=resources.redis.breaker_open)
