"""Create reviews of books, and what they add up to."""

import sqlalchemy as sa
from alembic import op

revision = "0009_reviews"
down_revision = "0008_orders"
branch_labels = None
depends_on = None


def upgrade() -> None:
    time = sa.DateTime(timezone=True)
    op.create_table(
        "reviews",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("book_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("rating", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.String(5000), nullable=True),
        sa.Column("created_at", time, nullable=False),
        sa.Column("updated_at", time, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_reviews"),
        sa.UniqueConstraint("account_id", "book_id", name="uq_reviews_account_id_book_id"),
        sa.CheckConstraint("rating BETWEEN 1 AND 5", name=op.f("ck_reviews_rating")),
        sa.ForeignKeyConstraint(
            ["book_id"], ["books.id"], name="fk_reviews_book_id_books", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_reviews_account_id_accounts"
        ),
    )
    op.create_index("ix_reviews_book_id_id", "reviews", ["book_id", "id"])
    op.create_table(
        "book_ratings",
        sa.Column("book_id", sa.Uuid(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("sum", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("book_id", name="pk_book_ratings"),
        sa.CheckConstraint("count >= 0", name=op.f("ck_book_ratings_count")),
        sa.ForeignKeyConstraint(
            ["book_id"], ["books.id"], name="fk_book_ratings_book_id_books", ondelete="CASCADE"
        ),
    )


def downgrade() -> None:
    op.drop_table("book_ratings")
    op.drop_table("reviews")
