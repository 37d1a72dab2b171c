"""Accounts over HTTP, for admins."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Response

from bookstore_api.auth.dependencies import Caller
from bookstore_api.auth.principal import Principal
from bookstore_api.auth.routes import AdminRoute
from bookstore_api.kit.cursors import Signing
from bookstore_api.kit.etags import IfMatches, Precondition, etag_of
from bookstore_api.kit.pagination import After, Limit, Page
from bookstore_api.kit.parameters import Id
from bookstore_api.kit.problems import describe
from bookstore_api.kit.routing import Router
from bookstore_api.kit.sessions import Reading, Writing
from bookstore_api.shop.accounts import accounts
from bookstore_api.shop.accounts.account_routes import PREFIX
from bookstore_api.shop.accounts.schemas import AccountAdministration, AccountRead, to_read

router = Router(
    prefix=PREFIX,
    tags=["administration"],
    route_class=AdminRoute,
    responses=describe(422, 429, 503),
)


@router.get("", responses=describe(412))
async def list_accounts(
    read: Reading, cursors: Signing, limit: Limit = 20, after: After = None
) -> Page[AccountRead]:
    """List accounts by address, page by page."""
    return await read(
        lambda session: accounts.list_accounts(session, cursors, after=after, limit=limit)
    )


@router.get("/{account_id}", responses=describe(404, 412))
async def read_account(read: Reading, account_id: Id, response: Response) -> AccountRead:
    """Read an account."""
    account = await read(lambda session: accounts.read_account(session, account_id))
    response.headers["ETag"] = etag_of(account.version)
    return to_read(account)


@dataclass(frozen=True)
class Change:
    """Who changes an account, and of which version."""

    caller: Principal
    precondition: Precondition


async def _change(caller: Caller, precondition: IfMatches) -> Change:
    return Change(caller, precondition)


@router.patch("/{account_id}", responses=describe(404, 409, 412))
async def administer_account(
    write: Writing,
    account_id: Id,
    body: AccountAdministration,
    change: Annotated[Change, Depends(_change)],
    response: Response,
) -> AccountRead:
    """Change the role of an account, or disable it (JSON merge patch, RFC 7396).

    Its sessions end.
    """
    account = await write(
        lambda session: accounts.administer(
            session, change.caller, account_id, body, change.precondition
        )
    )
    response.headers["ETag"] = etag_of(account.version)
    return to_read(account)
