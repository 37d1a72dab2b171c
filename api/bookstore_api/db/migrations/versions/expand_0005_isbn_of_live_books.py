"""Make an ISBN unique among the books that are not deleted."""

from bookstore_api.db.schema import operations

revision = "0005_isbn_of_live_books"
down_revision = "0004_catalog"
branch_labels = None
depends_on = None


def upgrade() -> None:
    operations.create_index(
        "uq_books_live_isbn", "books", ["isbn"], unique=True, where="deleted_at IS NULL"
    )


def downgrade() -> None:
    operations.drop_index("uq_books_live_isbn", "books")
