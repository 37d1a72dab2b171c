"""Create the inventory, and the answers that are given again to an Idempotency-Key."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007_inventory"
down_revision = "0006_index_books"
branch_labels = None
depends_on = None


def upgrade() -> None:
    time = sa.DateTime(timezone=True)
    document = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    op.create_table(
        "stock",
        sa.Column("book_id", sa.Uuid(), nullable=False),
        sa.Column("on_hand", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", time, nullable=False),
        sa.PrimaryKeyConstraint("book_id", name="pk_stock"),
        sa.CheckConstraint("reserved >= 0", name=op.f("ck_stock_reserved")),
        sa.CheckConstraint("on_hand >= reserved", name=op.f("ck_stock_on_hand")),
        sa.ForeignKeyConstraint(
            ["book_id"], ["books.id"], name="fk_stock_book_id_books", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "stock_moves",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("book_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("at", time, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_stock_moves"),
    )
    op.create_index("ix_stock_moves_book_id_id", "stock_moves", ["book_id", "id"])
    op.create_index("ix_stock_moves_order_id", "stock_moves", ["order_id"])
    op.create_table(
        "reservations",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("book_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", time, nullable=False),
        sa.Column("created_at", time, nullable=False),
        sa.PrimaryKeyConstraint("order_id", "book_id", name="pk_reservations"),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_reservations_quantity")),
    )
    op.create_index("ix_reservations_expires_at", "reservations", ["expires_at"])
    op.create_table(
        "idempotency_keys",
        sa.Column("scope", sa.String(40), nullable=False),
        sa.Column("route", sa.String(100), nullable=False),
        sa.Column("key_hash", sa.String(64), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=False),
        sa.Column("headers", document, nullable=False),
        sa.Column("body", document, nullable=False),
        sa.Column("created_at", time, nullable=False),
        sa.Column("expires_at", time, nullable=False),
        sa.PrimaryKeyConstraint("scope", "route", "key_hash", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_expires_at", "idempotency_keys", ["expires_at"])


def downgrade() -> None:
    op.drop_table("idempotency_keys")
    op.drop_table("reservations")
    op.drop_table("stock_moves")
    op.drop_table("stock")
