"""What can be done with accounts. Each function runs in its caller's transaction."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from bookstore_api.auth.principal import Principal, Role
from bookstore_api.db.sessions import ReadSession, WriteSession
from bookstore_api.kit.cursors import CursorFactory, Place
from bookstore_api.kit.errors import ConflictError, NotFoundError, PreconditionFailedError
from bookstore_api.kit.etags import Precondition, next_version
from bookstore_api.kit.ids import new_id
from bookstore_api.kit.pagination import Page
from bookstore_api.shop.accounts import repository
from bookstore_api.shop.accounts import session_repository as session_rows
from bookstore_api.shop.accounts.emails import email_key
from bookstore_api.shop.accounts.errors import session_ended
from bookstore_api.shop.accounts.models import Account
from bookstore_api.shop.accounts.schemas import (
    AccountAdministration,
    AccountRead,
    AccountUpdate,
    to_read,
)
from bookstore_api.shop.audit.service import Change, record


async def register(
    session: WriteSession, email: str, display_name: str, password_hash: str, role: Role
) -> Account:
    """Add an account; raises ConflictError where its address is taken."""
    now = datetime.now(UTC)
    account = Account(
        id=new_id(),
        email=email,
        email_key=email_key(email),
        display_name=display_name,
        role=role.value,
        password_hash=password_hash,
        disabled_at=None,
        erased_at=None,
        version=1,
        created_at=now,
        updated_at=now,
    )
    try:
        await repository.save(session, account)
    except repository.DuplicateEmailError:
        msg = "There is an account with this e-mail address: sign in, or reset its password."
        raise ConflictError(msg) from None
    return account


async def live_account(session: ReadSession, caller: Principal, *, locked: bool = False) -> Account:
    """Return the account of whoever asks; raises UnauthenticatedError if its session has ended."""
    assert caller.account_id and caller.session_id  # noqa: S101, PT018 - of an AccountRoute
    if locked:
        assert isinstance(session, WriteSession)  # noqa: S101 - only such a one locks
        await repository.find_locked(session, caller.account_id)
    member = await session_rows.find_live(session, caller.session_id, datetime.now(UTC))
    if member is None or member.account.id != caller.account_id:
        raise session_ended()
    return member.account


async def live_role(session: ReadSession, caller: Principal) -> Role | None:
    """Return the role of whoever asks as it is now; None if their session has ended."""
    assert caller.session_id is not None  # noqa: S101 - of an access token
    member = await session_rows.find_live(session, caller.session_id, datetime.now(UTC))
    if member is None or member.account.id != caller.account_id:
        return None
    return role_of(member.account)


def role_of(account: Account) -> Role:
    """Return the role of an account; the least of them where what is stored is none."""
    return Role(account.role) if account.role in set(Role) else Role.CUSTOMER


async def update_own(
    session: WriteSession, caller: Principal, body: AccountUpdate, precondition: Precondition
) -> Account:
    """Change the caller's account; raises any ShopError, UnauthenticatedError."""
    account = await live_account(session, caller, locked=True)
    _check_version(account, precondition)
    name = body.changed("display_name", account.display_name)
    if name != account.display_name:
        account.display_name = name
        await _save(session, account)
    return account


async def list_accounts(
    session: ReadSession, cursors: CursorFactory, *, after: str | None, limit: int
) -> Page[AccountRead]:
    """List a page of accounts by address; raises InvalidRequestError for another list's cursor."""
    of_list = await cursors.of(session, "accounts")
    place = None if after is None else of_list.decode(after)
    accounts = await repository.page(session, after=place, limit=limit + 1)
    return of_list.page_of(
        accounts,
        limit,
        place=lambda account: Place(account.email_key or "", account.id),
        show=to_read,
    )


async def read_account(session: ReadSession, id_: UUID) -> Account:
    """Read an account; raises NotFoundError."""
    return _found(await repository.find(session, id_))


async def administer(
    session: WriteSession,
    caller: Principal,
    id_: UUID,
    body: AccountAdministration,
    precondition: Precondition,
) -> Account:
    """Change the role of an account, or disable it; raises any ShopError.

    Whoever loses a role, or is disabled, is signed out everywhere.
    """
    admins = await repository.lock_admins(session)
    account = _found(await repository.find_locked(session, id_))
    _check_version(account, precondition)
    if account.erased_at is not None:
        msg = "The account is erased: nobody can sign in with it."
        raise ConflictError(msg)
    before = _administered(account)
    now = datetime.now(UTC)
    account.role = body.changed("role", role_of(account)).value
    if body.changed("disabled", account.disabled_at is not None) != before["disabled"]:
        account.disabled_at = None if before["disabled"] else now
    after = _administered(account)
    if after == before:
        return account
    if list(admins) == [account.id] and after != {"role": Role.ADMIN.value, "disabled": False}:
        msg = "It is the last admin: make another account one first."
        raise ConflictError(msg)
    await _save(session, account)
    await session_rows.revoke_all(session, account.id, now)
    await repository.delete_resets(session, account.id)
    await record(session, caller, Change("account.change", "account", account.id, before, after))
    return account


async def erase(session: WriteSession, caller: Principal) -> UUID:
    """Erase the personal data of the caller's account; its row stays, for what refers to it.

    Returns its id; raises ConflictError, UnauthenticatedError.
    """
    admins = await repository.lock_admins(session)
    account = await live_account(session, caller, locked=True)
    if list(admins) == [account.id]:
        msg = "It is the last admin: make another account one first."
        raise ConflictError(msg)
    account.email = account.email_key = account.display_name = account.password_hash = None
    account.erased_at = account.disabled_at = datetime.now(UTC)
    await _save(session, account)
    await session_rows.delete_all(session, account.id)
    await repository.delete_resets(session, account.id)
    await record(session, caller, Change("account.erase", "account", account.id))
    return account.id


async def export(session: ReadSession, account_id: UUID) -> Mapping[str, Any]:
    """Return what is stored of an account."""
    account = _found(await repository.find(session, account_id))
    sessions = await session_rows.list_live(session, account_id, datetime.now(UTC))
    return {
        "account": to_read(account).model_dump(mode="json"),
        "sessions": [
            {
                "user_agent": item.user_agent,
                "created_at": item.created_at.isoformat(),
                "used_at": item.used_at.isoformat(),
            }
            for item in sessions
        ],
    }


def _administered(account: Account) -> dict[str, Any]:
    return {"role": account.role, "disabled": account.disabled_at is not None}


def _check_version(account: Account, precondition: Precondition) -> None:
    if not precondition.holds(account.version):
        msg = "The account's version is not what you demand: read it again and repeat your change."
        raise PreconditionFailedError(msg)


async def _save(session: WriteSession, account: Account) -> None:
    account.version = next_version(account.version)
    account.updated_at = datetime.now(UTC)
    await repository.save(session, account)


def _found(account: Account | None) -> Account:
    if account is None:
        msg = "There is no account with this id."
        raise NotFoundError(msg)
    return account
