"""Let the ISBN of a deleted book be used again: older code, which shows it, is gone."""

from alembic import op

revision = "0004_isbn_of_deleted_books"
down_revision = "0003_index_books_again"
branch_labels = None
depends_on = ("0005_isbn_of_live_books",)


def upgrade() -> None:
    with op.batch_alter_table("books") as books:
        books.drop_constraint("uq_books_isbn", type_="unique")


def downgrade() -> None:
    op.execute("DELETE FROM books WHERE deleted_at IS NOT NULL")
    with op.batch_alter_table("books") as books:
        books.create_unique_constraint("uq_books_isbn", ["isbn"])
