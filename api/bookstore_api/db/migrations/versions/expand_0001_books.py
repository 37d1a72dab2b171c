"""Create the books."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001_books"
down_revision = None
branch_labels = ("expand",)
depends_on = None


def upgrade() -> None:
    sort_title = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
    authors = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    op.create_table(
        "books",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("isbn", sa.String(13), nullable=False),
        sa.Column("title", sa.String(300), nullable=False),
        sa.Column("sort_title", sort_title, nullable=False),
        sa.Column("authors", authors, nullable=False),
        sa.Column("published_on", sa.Date(), nullable=True),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_books"),
        sa.UniqueConstraint("isbn", name="uq_books_isbn"),
        sa.CheckConstraint("price_minor >= 0", name=op.f("ck_books_price_minor")),
    )
    op.create_index("ix_books_sort_title_id", "books", ["sort_title", "id"])


def downgrade() -> None:
    op.drop_table("books")
