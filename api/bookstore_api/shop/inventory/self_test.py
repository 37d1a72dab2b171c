"""Proof that this code works on the database's schema: its own reads and writes, rolled back."""

from datetime import UTC, datetime

from bookstore_api.db.sessions import WriteSession
from bookstore_api.kit.ids import new_id
from bookstore_api.shop.inventory import repository, service

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


async def self_test(session: WriteSession) -> None:
    """Do all that is done with stocks; whatever the database says is raised.

    The books do not exist, so nothing that others use is locked.
    """
    book_ids, order_id = sorted((new_id(), new_id())), new_id()
    wanted = dict.fromkeys(book_ids, 1)
    await repository.find(session, book_ids[0])
    await repository.add_to_stock(session, book_ids[0], 1, 1, LONG_AGO)
    await repository.reserve(session, wanted, LONG_AGO)
    await repository.available(session, book_ids)
    await repository.add_reservations(session, order_id, wanted, LONG_AGO, LONG_AGO)
    await service.sell(session, order_id, wanted)
    await service.give_back(session, order_id)
    await repository.moves(session, book_ids[0], before=order_id, limit=1)
    await service.release(session, order_id)
    await repository.take_expired(session, LONG_AGO, 1)
