"""The SQL of reviews; all of it."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import select, update

from bookstore_api.db.sessions import ReadSession, WriteSession
from bookstore_api.db.upsert import insert_if_absent
from bookstore_api.shop.accounts.models import Account
from bookstore_api.shop.reviews.models import BookRating, Review


async def page(
    session: ReadSession, book_id: UUID, *, before: UUID | None, limit: int
) -> Sequence[tuple[Review, str | None]]:
    """At most `limit` reviews of a book with who wrote them, the newest first, after a place."""
    query = (
        select(Review, Account.display_name)
        .join(Account, Account.id == Review.account_id)
        .where(Review.book_id == book_id)
    )
    if before is not None:
        query = query.where(Review.id < before)
    rows = await session.execute(query.order_by(Review.id.desc()).limit(limit))
    return [(review, name) for review, name in rows]


async def find_own(session: WriteSession, account_id: UUID, book_id: UUID) -> Review | None:
    """Find the review of a book by an account, and lock it, or None."""
    query = select(Review).where(Review.account_id == account_id, Review.book_id == book_id)
    return await session.scalar(query.with_for_update())


async def find_locked(session: WriteSession, id_: UUID) -> Review | None:
    """Find a review and lock it, or None."""
    return await session.scalar(select(Review).where(Review.id == id_).with_for_update())


async def of_account(session: ReadSession, account_id: UUID) -> Sequence[Review]:
    """List the reviews of an account, in the order in which their books are locked."""
    query = select(Review).where(Review.account_id == account_id).order_by(Review.book_id)
    return (await session.scalars(query)).all()


async def save(session: WriteSession, review: Review) -> None:
    """Send a new or changed review to the database."""
    session.add(review)
    await session.flush()


async def remove(session: WriteSession, review: Review) -> None:
    """Delete a review."""
    await session.delete(review)
    await session.flush()


async def add_to_rating(session: WriteSession, book_id: UUID, count: int, points: int) -> None:
    """Change what the ratings of a book add up to, in one statement."""
    await insert_if_absent(session, BookRating, [{"book_id": book_id, "count": 0, "sum": 0}])
    changed = update(BookRating).where(BookRating.book_id == book_id)
    values = {"count": BookRating.count + count, "sum": BookRating.sum + points}
    await session.execute(changed.values(values).execution_options(synchronize_session=False))


async def ratings(session: ReadSession, book_ids: Collection[UUID]) -> dict[UUID, tuple[int, int]]:
    """Return the number and the sum of the ratings of books that have any."""
    query = select(BookRating.book_id, BookRating.count, BookRating.sum)
    rows = await session.execute(query.where(BookRating.book_id.in_(book_ids)))
    return {book_id: (count, points) for book_id, count, points in rows}
