"""The catalog as the rest of the API knows it."""

from fastapi import APIRouter

from bookstore_api.shop.catalog import csv_routes, named_routes, routes
from bookstore_api.shop.catalog.models import TABLES
from bookstore_api.shop.catalog.parameters import WANTED
from bookstore_api.shop.catalog.self_test import self_test
from bookstore_api.shop.domain import Domain
from bookstore_api.web.cached_routes import CachedCollection

router = APIRouter()
PARTS = (
    routes.router,
    csv_routes.router,
    named_routes.authors,
    named_routes.publishers,
    named_routes.categories,
)
for part in PARTS:
    router.routes.extend(part.routes)

_PAGE = ("limit", "after")
CACHED = (
    CachedCollection(routes.router.prefix, frozenset({*_PAGE, *WANTED}), independent=True),
    CachedCollection(named_routes.authors.prefix, frozenset({*_PAGE, "name"})),
    CachedCollection(named_routes.publishers.prefix, frozenset({*_PAGE, "name"})),
    CachedCollection(named_routes.categories.prefix, frozenset({*_PAGE, "name", "parent"})),
)
CATALOG = Domain("catalog", TABLES, router, self_test, cached=CACHED)
