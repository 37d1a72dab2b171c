"""The tables of accounts.

Nothing in them is a credential: of tokens there are digests, of passwords argon2id's.
docs/reference/accounts.md lists every column, and what erasure does to it.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from bookstore_api.db.orm import Base, StoredInteger, StoredText, UtcDateTime, sort_key

EMAIL_LENGTH = 254
NAME_LENGTH = 200
AGENT_LENGTH = 200
DIGEST_LENGTH = 64

UNIQUE_EMAIL = UniqueConstraint("email_key")


class Account(Base):
    """Somebody who can sign in. What is erased keeps its row, for what refers to it."""

    __tablename__ = "accounts"
    __table_args__ = (UNIQUE_EMAIL,)

    id: Mapped[UUID] = mapped_column(Uuid(), primary_key=True)
    email: Mapped[str | None] = mapped_column(StoredText(EMAIL_LENGTH))
    email_key: Mapped[str | None] = mapped_column(sort_key(EMAIL_LENGTH))
    display_name: Mapped[str | None] = mapped_column(StoredText(NAME_LENGTH))
    role: Mapped[str] = mapped_column(StoredText(20))
    password_hash: Mapped[str | None] = mapped_column(StoredText(200))
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    version: Mapped[int] = mapped_column(StoredInteger())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime())


class AccountSession(Base):
    """A sign-in and all refresh tokens that descend from it."""

    __tablename__ = "account_sessions"
    __table_args__ = (Index(None, "account_id"), Index(None, "expires_at"))

    id: Mapped[UUID] = mapped_column(Uuid(), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    user_agent: Mapped[str | None] = mapped_column(StoredText(AGENT_LENGTH))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    used_at: Mapped[datetime] = mapped_column(UtcDateTime())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime())
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class RefreshToken(Base):
    """A refresh token, by its digest. `salt` derives its successor, once it is used."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (Index(None, "session_id"),)

    token_hash: Mapped[str] = mapped_column(StoredText(DIGEST_LENGTH), primary_key=True)
    session_id: Mapped[UUID] = mapped_column(ForeignKey("account_sessions.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    salt: Mapped[str | None] = mapped_column(StoredText(DIGEST_LENGTH))


class PasswordReset(Base):
    """A token that was mailed to set a new password, by its digest."""

    __tablename__ = "password_resets"
    __table_args__ = (Index(None, "account_id"),)

    token_hash: Mapped[str] = mapped_column(StoredText(DIGEST_LENGTH), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime())


class SignInAttempts(Base):
    """How often signing in has failed in a row, by a digest of whom it was tried for."""

    __tablename__ = "sign_in_attempts"
    __table_args__ = (Index(None, "last_at"),)

    key: Mapped[str] = mapped_column(StoredText(DIGEST_LENGTH), primary_key=True)
    failures: Mapped[int] = mapped_column(StoredInteger())
    last_at: Mapped[datetime] = mapped_column(UtcDateTime())
    succeeded_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
