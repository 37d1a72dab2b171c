"""What can be done with reviews. Each function runs in its caller's transaction.

What ratings add up to is changed in the transaction of the review, so it is never behind it.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from bookstore_api.auth.principal import Principal
from bookstore_api.db.sessions import ReadSession, WriteSession
from bookstore_api.kit.cursors import CursorFactory, Place
from bookstore_api.kit.errors import ConflictError, NotFoundError
from bookstore_api.kit.ids import new_id
from bookstore_api.kit.pagination import Page
from bookstore_api.shop.accounts.accounts import live_account
from bookstore_api.shop.audit.service import Change, record
from bookstore_api.shop.catalog import repository as catalog
from bookstore_api.shop.catalog.service import read_book
from bookstore_api.shop.orders import repository as orders
from bookstore_api.shop.reviews import repository
from bookstore_api.shop.reviews.models import Review
from bookstore_api.shop.reviews.schemas import (
    RatingRead,
    ReviewRead,
    ReviewWrite,
    to_rating,
    to_read,
)


async def list_reviews(
    session: ReadSession,
    book_id: UUID,
    cursors: CursorFactory,
    *,
    after: str | None,
    limit: int,
) -> Page[ReviewRead]:
    """List the reviews of a book, the newest first; raises NotFoundError."""
    await read_book(session, book_id)
    of_list = await cursors.of(session, "reviews", book_id)
    before = None if after is None else of_list.decode(after).id
    rows = await repository.page(session, book_id, before=before, limit=limit + 1)
    return of_list.page_of(
        rows, limit, place=lambda row: Place("", row[0].id), show=lambda row: to_read(*row)
    )


async def read_ratings(session: ReadSession, book_ids: Sequence[UUID]) -> list[RatingRead]:
    """Return what the ratings of each of these books add up to, by one statement."""
    found = await repository.ratings(session, book_ids)
    return [to_rating(book_id, *found.get(book_id, (0, 0))) for book_id in book_ids]


async def write(
    session: WriteSession, caller: Principal, book_id: UUID, body: ReviewWrite
) -> ReviewRead:
    """Write the caller's review of a book, or change it; raises NotFoundError, ConflictError."""
    account = await live_account(session, caller, locked=True)
    if not await catalog.keep(session, book_id):
        msg = "There is no book with this id."
        raise NotFoundError(msg)
    if not await orders.was_delivered(session, account.id, book_id):
        msg = "Only a book that was delivered to you can be reviewed."
        raise ConflictError(msg)
    now = datetime.now(UTC)
    review = await repository.find_own(session, account.id, book_id)
    count, points = (0, -review.rating) if review else (1, 0)
    if review is None:
        review = Review(id=new_id(), book_id=book_id, account_id=account.id, created_at=now)
    review.rating, review.text, review.updated_at = body.rating, body.text, now
    await repository.save(session, review)
    await repository.add_to_rating(session, book_id, count, points + body.rating)
    return to_read(review, account.display_name)


async def delete_own(session: WriteSession, caller: Principal, book_id: UUID) -> None:
    """Delete the caller's review of a book; raises NotFoundError."""
    account = await live_account(session, caller, locked=True)
    await _delete(session, _found(await repository.find_own(session, account.id, book_id)))


async def delete(session: WriteSession, caller: Principal, id_: UUID) -> None:
    """Delete a review for the staff; raises NotFoundError."""
    review = _found(await repository.find_locked(session, id_))
    await _delete(session, review)
    before = {"rating": review.rating}  # never the text, which is of a person
    await record(session, caller, Change("review.delete", "review", id_, before))


async def export(session: ReadSession, account_id: UUID) -> Mapping[str, Any]:
    """Return what an account has written."""
    reviews = await repository.of_account(session, account_id)
    return {"reviews": [to_read(review, None).model_dump(mode="json") for review in reviews]}


async def erase(session: WriteSession, account_id: UUID) -> None:
    """Delete what an account has written."""
    for review in await repository.of_account(session, account_id):
        await _delete(session, review)


async def _delete(session: WriteSession, review: Review) -> None:
    await repository.remove(session, review)
    await repository.add_to_rating(session, review.book_id, -1, -review.rating)


def _found(review: Review | None) -> Review:
    if review is None:
        msg = "There is no such review."
        raise NotFoundError(msg)
    return review
