"""The catalog as the rest of the API knows it."""

from fastapi import APIRouter

from bookstore_api.shop.catalog import csv_routes, named_routes, routes
from bookstore_api.shop.catalog.models import TABLES
from bookstore_api.shop.catalog.self_test import self_test
from bookstore_api.shop.domain import Domain

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

CATALOG = Domain("catalog", TABLES, router, self_test)
