"""Index the books that older code has written since."""

from bookstore_api.db.schema import operations

revision = "0003_index_books_again"
down_revision = "0002_sort_titles_again"
branch_labels = None
depends_on = ("0006_index_books",)


def upgrade() -> None:
    operations.index_books()


def downgrade() -> None:
    pass
