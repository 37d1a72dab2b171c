"""Begin the contract branch; there is nothing to remove yet."""

revision = "0001_contract"
down_revision = None
branch_labels = ("contract",)
depends_on = ("0001_books",)


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
