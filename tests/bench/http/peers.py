"""What the API is compared with, each under uvicorn with the API's event loop, parser and options.

    python -m tests.bench.http.peers NAME

Settings are the API's own, from the environment, and FILE has the answers by path, as JSON.
"""

import json
import os
import sys
from uuid import UUID

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI, HTTPException
from redis.asyncio import Redis
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from bookstore_api.settings import Settings
from bookstore_api.shop.catalog.models import Book
from bookstore_api.shop.catalog.repository import WHOLE
from bookstore_api.shop.catalog.schemas import BookRead, to_read
from bookstore_api.telemetry.logging import configure_logging
from bookstore_api.web.server.serve import make_server
from tests.support.bookstore import app_of

REDIS_KEY = "bench:"
BOOK = "/api/v1/books/{book_id}"


def starlette() -> ASGIApp:
    """Return the same bytes, from a dict."""
    answers = _answers()

    async def read(request: Request) -> Response:
        return Response(answers[request.url.path], media_type="application/json")

    return Starlette(routes=[Route(BOOK, read)])


def starlette_logged() -> ASGIApp:
    """Return the same bytes, and write one JSON line a request by structlog as it comes."""
    answers = _answers()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    log = structlog.get_logger()

    async def read(request: Request) -> Response:
        log.info("request", method=request.method, route=BOOK, status=200, duration_ms=0.1)
        return Response(answers[request.url.path], media_type="application/json")

    return Starlette(routes=[Route(BOOK, read)])


def starlette_redis() -> ASGIApp:
    """Return the same bytes, from Redis."""
    redis = Redis.from_url(os.environ["BOOKSTORE_REDIS_URL"])

    async def read(request: Request) -> Response:
        body = await redis.get(REDIS_KEY + request.url.path)
        return Response(body, media_type="application/json")

    return Starlette(routes=[Route(BOOK, read)])


def fastapi_query() -> ASGIApp:
    """Run the same query with the same models, as FastAPI's and SQLAlchemy's pages show it."""
    url = os.environ["BOOKSTORE_DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://")
    engine = create_async_engine(url.partition("?")[0], pool_size=5, max_overflow=0)
    sessions = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
    app = FastAPI(openapi_url=None)

    @app.get(BOOK)
    async def read(book_id: UUID) -> BookRead:
        async with sessions() as session:
            query = select(Book).where(Book.id == book_id, Book.deleted_at.is_(None))
            book = (await session.scalars(query.options(*WHOLE))).one_or_none()
        if book is None:
            raise HTTPException(404)
        return to_read(book)

    return app


def bare_api() -> ASGIApp:
    """Return the API without any of its layers."""
    app: FastAPI = app_of(Settings())
    app.user_middleware = []
    return app


def _answers() -> dict[str, bytes]:
    with open(os.environ["FILE"], encoding="utf-8") as file:  # noqa: PTH123
        return {path: body.encode() for path, body in json.load(file).items()}


PEERS = {
    "starlette": starlette,
    "starlette-logged": starlette_logged,
    "starlette-redis": starlette_redis,
    "fastapi-query": fastapi_query,
    "bare-api": bare_api,
}


async def serve(name: str) -> None:
    """Serve a peer; the API without layers by the API's own server."""
    settings = Settings()
    if name == "bare-api":
        configure_logging(settings, stream=sys.stdout)
        server: uvicorn.Server = make_server(bare_api(), settings, shutdown_seconds=1)
        server.config.port = settings.port
        await server.serve()
        return
    config = uvicorn.Config(
        PEERS[name](),
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        http="httptools",
        timeout_graceful_shutdown=1,
    )
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
