"""The list of the shop's domains; all else reaches them through it."""

from bookstore_api.db.sessions import WriteSession
from bookstore_api.shop.catalog.domain import CATALOG
from bookstore_api.shop.domain import Domain

DOMAINS: tuple[Domain, ...] = (CATALOG,)


async def self_test(session: WriteSession) -> None:
    """Run every domain's own reads and writes; whatever the database says is raised."""
    for domain in DOMAINS:
        await domain.self_test(session)
