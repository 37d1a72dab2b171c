"""Orders as the rest of the API knows them."""

from fastapi import APIRouter

from bookstore_api.shop.domain import Domain
from bookstore_api.shop.orders import cart_routes, event_routes, order_routes, service, staff_routes
from bookstore_api.shop.orders.models import CartLine, Order, OrderLine
from bookstore_api.shop.orders.self_test import self_test

router = APIRouter()
for part in (cart_routes, order_routes, staff_routes, event_routes):
    router.routes.extend(part.router.routes)

ORDERS = Domain(
    "orders",
    (CartLine, Order, OrderLine),
    router,
    self_test,
    export=service.export,
    maintain=service.expire,
    erase=service.erase,
)
