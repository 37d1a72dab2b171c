"""What clients send and get of accounts."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, SecretStr, StringConstraints

from bookstore_api.auth.passwords import MAX_LENGTH, MIN_LENGTH
from bookstore_api.auth.principal import Role
from bookstore_api.auth.tokens import LIFETIME
from bookstore_api.kit.schemas import MergePatch, Strict
from bookstore_api.kit.text import one_line
from bookstore_api.shop.accounts.emails import check_email
from bookstore_api.shop.accounts.models import EMAIL_LENGTH, NAME_LENGTH, Account, AccountSession

MAX_TOKEN_LENGTH = 200

Email = Annotated[
    str,
    Field(
        max_length=EMAIL_LENGTH,
        examples=["ada@example.com"],
        json_schema_extra={"format": "email"},
    ),
    AfterValidator(check_email),
]
DisplayName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=NAME_LENGTH),
    AfterValidator(one_line),
]
# Of one that exists only its length is checked: it may be older than today's rules.
Password = Annotated[SecretStr, Field(min_length=1, max_length=MAX_LENGTH)]
NewPassword = Annotated[
    SecretStr,
    Field(
        min_length=MIN_LENGTH,
        max_length=MAX_LENGTH,
        description="12 to 128 characters of any kind; no well-known one",
    ),
]
Token = Annotated[SecretStr, Field(min_length=1, max_length=MAX_TOKEN_LENGTH)]


class Registration(Strict):
    """A new account."""

    email: Email
    password: NewPassword
    display_name: DisplayName


class AccountUpdate(MergePatch):
    """What somebody changes of their account (RFC 7396)."""

    display_name: DisplayName = ""


class AccountAdministration(MergePatch):
    """What an admin changes of an account (RFC 7396)."""

    role: Role = Role.CUSTOMER
    disabled: bool = False


class SignIn(Strict):
    """Who signs in."""

    email: Email
    password: Password


class Refresh(Strict):
    """A refresh token, to be exchanged for a new one."""

    refresh_token: Token


class PasswordChange(Strict):
    """A new password, by whoever knows the current one."""

    current_password: Password
    new_password: NewPassword


class PasswordResetRequest(Strict):
    """An address to mail a token to."""

    email: Email


class PasswordResetConfirmation(Strict):
    """A new password, by whoever has the token that was mailed."""

    token: Token
    new_password: NewPassword


class Confirmation(Strict):
    """The current password, for what can't be undone."""

    password: Password


class AccountRead(BaseModel):
    """An account."""

    id: UUID
    email: str | None = Field(description="null once it is erased")
    display_name: str | None = Field(description="null once it is erased")
    role: str = Field(description="customer, staff or admin")
    disabled: bool
    erased: bool
    created_at: datetime
    updated_at: datetime


class SessionRead(BaseModel):
    """A sign-in that is still valid."""

    id: UUID
    current: bool = Field(description="Whether it is the one that asks")
    user_agent: str | None = Field(description="What the client called itself when it signed in")
    created_at: datetime
    used_at: datetime = Field(description="When it was refreshed last")
    expires_at: datetime = Field(description="When it ends, whatever happens")


class Sessions(BaseModel):
    """All sign-ins of an account that are still valid, the newest first."""

    items: list[SessionRead]


class Tokens(BaseModel):
    """What a client keeps of a session."""

    access_token: str = Field(description="Send it as `Authorization: Bearer …`")
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the name of a scheme
    expires_in: int = Field(
        default=int(LIFETIME.total_seconds()), description="Of the access token, in seconds"
    )
    refresh_token: str = Field(
        description="Valid once, for new tokens. Using it again ends the session"
    )
    session_id: UUID
    session_expires_at: datetime


class Accepted(BaseModel):
    """The answer to a request whose result is mailed, whether there is such an account or not."""

    detail: str = "If there is such an account, a mail is on its way."


class Export(BaseModel):
    """All that is stored of somebody, by domain."""

    exported_at: datetime
    data: dict[str, Any]


def to_read(account: Account) -> AccountRead:
    """Turn an account into what clients see."""
    return AccountRead(
        id=account.id,
        email=account.email,
        display_name=account.display_name,
        role=account.role,
        disabled=account.disabled_at is not None,
        erased=account.erased_at is not None,
        created_at=account.created_at,
        updated_at=account.updated_at,
    )


def to_session_read(session: AccountSession, current: UUID | None) -> SessionRead:
    """Turn a session into what its owner sees."""
    return SessionRead(
        id=session.id,
        current=session.id == current,
        user_agent=session.user_agent,
        created_at=session.created_at,
        used_at=session.used_at,
        expires_at=session.expires_at,
    )
