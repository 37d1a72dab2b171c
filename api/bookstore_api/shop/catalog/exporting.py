"""Export all books as CSV, some at a time: each batch is a session of its own.

So an export of any length keeps no connection while its client reads, and none is left behind by a
client that goes away.
"""

from collections.abc import AsyncIterator, Awaitable, Callable

from bookstore_api.db.sessions import ReadSession
from bookstore_api.kit.cursors import Place
from bookstore_api.kit.sessions import Reader
from bookstore_api.shop.catalog import named_repository, repository
from bookstore_api.shop.catalog.csv_format import header, to_csv
from bookstore_api.shop.catalog.query import BookQuery, Sort
from bookstore_api.shop.catalog.schemas import to_read

BATCH_BOOKS = 500
_IN_ORDER_OF_CREATION = BookQuery(sort=Sort.CREATED)


async def export_csv(read: Reader) -> AsyncIterator[bytes]:
    """Yield the books in the order in which they were created."""
    yield header().encode()
    place: Place | None = None
    while True:
        text, place = await read(_batch_after(place))
        yield text.encode()
        if place is None:
            return


def _batch_after(
    place: Place | None,
) -> Callable[[ReadSession], Awaitable[tuple[str, Place | None]]]:
    async def work(session: ReadSession) -> tuple[str, Place | None]:
        rows = await repository.page(session, _IN_ORDER_OF_CREATION, after=place, limit=BATCH_BOOKS)
        books = [to_read(book) for book, _ in rows]
        ids = {book.publisher_id for book in books if book.publisher_id is not None}
        publishers = await named_repository.names_of_publishers(session, ids) if ids else {}
        last = Place(0, books[-1].id) if len(books) == BATCH_BOOKS else None
        return to_csv(books, publishers), last

    return work
