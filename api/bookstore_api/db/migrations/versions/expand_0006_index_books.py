"""Index the books that there are by author and by their words."""

from bookstore_api.db.schema import operations

revision = "0006_index_books"
down_revision = "0005_isbn_of_live_books"
branch_labels = None
depends_on = None


def upgrade() -> None:
    operations.index_books()


def downgrade() -> None:
    pass
