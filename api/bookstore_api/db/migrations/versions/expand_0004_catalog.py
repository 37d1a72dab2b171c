"""Create authors, categories, publishers, the details of books and the index to search them."""

import secrets
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0004_catalog"
down_revision = "0003_accounts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    sort_text = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # the only one that counts there
    op.create_table(
        "authors",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("sort_name", sort_text, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_authors"),
        sa.UniqueConstraint("name", name="uq_authors_name"),
    )
    op.create_index("ix_authors_sort_name_id", "authors", ["sort_name", "id"])
    op.create_table(
        "publishers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("sort_name", sort_text, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_publishers"),
        sa.UniqueConstraint("name", name="uq_publishers_name"),
    )
    op.create_index("ix_publishers_sort_name_id", "publishers", ["sort_name", "id"])
    op.create_table(
        "categories",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("sort_name", sort_text, nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_categories"),
        sa.UniqueConstraint("name", name="uq_categories_name"),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["categories.id"], name="fk_categories_parent_id_categories"
        ),
    )
    op.create_index("ix_categories_sort_name_id", "categories", ["sort_name", "id"])
    op.create_index("ix_categories_parent_id", "categories", ["parent_id"])
    op.create_table(
        "book_details",
        sa.Column("id", number, sa.Identity(), nullable=False),
        sa.Column("book_id", sa.Uuid(), nullable=False),
        sa.Column("publisher_id", sa.Uuid(), nullable=True),
        sa.Column("description", sa.String(10000), nullable=True),
        sa.Column("language", sa.String(35), nullable=True),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_book_details"),
        sa.UniqueConstraint("book_id", name="uq_book_details_book_id"),
        sa.ForeignKeyConstraint(
            ["book_id"], ["books.id"], name="fk_book_details_book_id_books", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["publisher_id"], ["publishers.id"], name="fk_book_details_publisher_id_publishers"
        ),
    )
    op.create_index("ix_book_details_publisher_id", "book_details", ["publisher_id"])
    op.create_table(
        "book_authors",
        sa.Column("book_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("book_id", "position", name="pk_book_authors"),
        sa.ForeignKeyConstraint(
            ["book_id"], ["books.id"], name="fk_book_authors_book_id_books", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["author_id"], ["authors.id"], name="fk_book_authors_author_id_authors"
        ),
    )
    op.create_index("ix_book_authors_author_id", "book_authors", ["author_id"])
    op.create_table(
        "book_categories",
        sa.Column("book_id", sa.Uuid(), nullable=False),
        sa.Column("category_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("book_id", "category_id", name="pk_book_categories"),
        sa.ForeignKeyConstraint(
            ["book_id"], ["books.id"], name="fk_book_categories_book_id_books", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["category_id"], ["categories.id"], name="fk_book_categories_category_id_categories"
        ),
    )
    op.create_index("ix_book_categories_category_id", "book_categories", ["category_id"])
    cursor_keys = op.create_table(
        "cursor_keys",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("secret", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("secret", name="pk_cursor_keys"),
    )
    now = datetime.now(UTC).replace(tzinfo=None)
    op.bulk_insert(cursor_keys, [{"secret": secrets.token_hex(32), "created_at": now}])
    op.add_column("books", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    if op.get_context().dialect.name == "postgresql":
        op.execute(
            "CREATE INDEX ix_book_details_document ON book_details "
            "USING gin (to_tsvector('simple', document))"
        )
        return
    op.execute(
        "CREATE VIRTUAL TABLE book_search "
        "USING fts5(document, content='book_details', content_rowid='id')"
    )
    op.execute(
        "CREATE TRIGGER book_details_insert AFTER INSERT ON book_details BEGIN "
        "INSERT INTO book_search(rowid, document) VALUES (new.id, new.document); END"
    )
    op.execute(
        "CREATE TRIGGER book_details_delete AFTER DELETE ON book_details BEGIN "
        "INSERT INTO book_search(book_search, rowid, document) "
        "VALUES ('delete', old.id, old.document); END"
    )
    op.execute(
        "CREATE TRIGGER book_details_update AFTER UPDATE OF document ON book_details BEGIN "
        "INSERT INTO book_search(book_search, rowid, document) "
        "VALUES ('delete', old.id, old.document); "
        "INSERT INTO book_search(rowid, document) VALUES (new.id, new.document); END"
    )


def downgrade() -> None:
    op.execute("DELETE FROM books WHERE deleted_at IS NOT NULL")
    op.drop_column("books", "deleted_at")
    op.drop_table("cursor_keys")
    op.drop_table("book_categories")
    op.drop_table("book_authors")
    if op.get_context().dialect.name == "sqlite":
        op.execute("DROP TABLE book_search")
    op.drop_table("book_details")
    op.drop_table("categories")
    op.drop_table("publishers")
    op.drop_table("authors")
