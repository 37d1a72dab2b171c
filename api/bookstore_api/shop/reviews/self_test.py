"""Proof that this code works on the database's schema: its own reads and writes, rolled back."""

from bookstore_api.db.sessions import WriteSession
from bookstore_api.kit.ids import new_id
from bookstore_api.shop.reviews import repository


async def self_test(session: WriteSession) -> None:
    """Look for reviews and ratings; whatever the database says is raised."""
    id_ = new_id()
    await repository.page(session, id_, before=id_, limit=1)
    await repository.find_own(session, id_, id_)
    await repository.find_locked(session, id_)
    await repository.of_account(session, id_)
    await repository.ratings(session, [id_])
