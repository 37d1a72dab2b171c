"""Sort the titles by NFKC_Casefold that older code has written since."""

from bookstore_api.db.schema import operations

revision = "0002_sort_titles_again"
down_revision = "0001_contract"
branch_labels = None
depends_on = ("0002_sort_titles",)


def upgrade() -> None:
    operations.recompute_sort_text("books", "sort_title", "title")


def downgrade() -> None:
    pass
