"""Sort titles by Unicode's NFKC_Casefold."""

from bookstore_api.db.schema import operations

revision = "0002_sort_titles"
down_revision = "0001_books"
branch_labels = None
depends_on = None


def upgrade() -> None:
    operations.recompute_sort_text("books", "sort_title", "title")


def downgrade() -> None:
    pass
