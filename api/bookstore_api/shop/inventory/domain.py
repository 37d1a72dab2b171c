"""The inventory as the rest of the API knows it."""

from bookstore_api.shop.domain import Domain
from bookstore_api.shop.inventory.models import Reservation, Stock, StockMove
from bookstore_api.shop.inventory.routes import router
from bookstore_api.shop.inventory.self_test import self_test
from bookstore_api.shop.inventory.service import release_expired

INVENTORY = Domain(
    "inventory",
    (Stock, StockMove, Reservation),
    router,
    self_test,
    maintain=release_expired,
)
