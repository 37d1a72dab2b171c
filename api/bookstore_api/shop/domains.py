"""The list of the shop's domains; all else reaches them through it."""

from bookstore_api.db.sessions import WriteSession
from bookstore_api.shop.accounts.domain import ACCOUNTS
from bookstore_api.shop.audit.domain import AUDIT
from bookstore_api.shop.catalog.domain import CATALOG
from bookstore_api.shop.domain import Domain
from bookstore_api.shop.idempotency.domain import IDEMPOTENCY
from bookstore_api.shop.inventory.domain import INVENTORY
from bookstore_api.shop.orders.domain import ORDERS
from bookstore_api.shop.outbox.domain import OUTBOX
from bookstore_api.shop.payments.domain import PAYMENTS
from bookstore_api.shop.reviews.domain import REVIEWS

# Maintained in this order: an order that was not paid ends before what is reserved for it.
DOMAINS: tuple[Domain, ...] = (
    REVIEWS,
    ORDERS,
    PAYMENTS,
    CATALOG,
    INVENTORY,
    ACCOUNTS,
    IDEMPOTENCY,
    OUTBOX,
    AUDIT,
)


async def self_test(session: WriteSession) -> None:
    """Run every domain's own reads and writes; whatever the database says is raised."""
    for domain in DOMAINS:
        await domain.self_test(session)
