"""The catalog as the rest of the API knows it."""

from bookstore_api.shop.catalog.models import Book
from bookstore_api.shop.catalog.routes import router
from bookstore_api.shop.catalog.self_test import self_test
from bookstore_api.shop.domain import Domain

CATALOG = Domain("catalog", (Book,), router, self_test)
