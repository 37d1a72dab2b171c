"""Accounts over HTTP: registering, one's own account, one's password."""

from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request, Response

from bookstore_api.auth.dependencies import Caller, Hashing
from bookstore_api.auth.passwords import weakness
from bookstore_api.auth.principal import Role
from bookstore_api.auth.routes import AccountRoute, PublicRoute
from bookstore_api.db.sessions import ReadSession, WriteSession
from bookstore_api.kit.etags import IfMatches, etag_of
from bookstore_api.kit.problems import describe
from bookstore_api.kit.routing import Router
from bookstore_api.kit.sessions import Reading, Writing
from bookstore_api.shop.accounts import accounts, passwords
from bookstore_api.shop.accounts.client import Asker, Client
from bookstore_api.shop.accounts.errors import weak_password
from bookstore_api.shop.accounts.proof import Proof, prove_password
from bookstore_api.shop.accounts.schemas import (
    Accepted,
    AccountRead,
    AccountUpdate,
    Confirmation,
    Export,
    PasswordChange,
    PasswordResetConfirmation,
    PasswordResetRequest,
    Registration,
    to_read,
)
from bookstore_api.shop.domain import Domain

PREFIX = "/api/v1/accounts"
_COMMON = describe(422, 429, 503)

public = Router(prefix=PREFIX, tags=["accounts"], route_class=PublicRoute, responses=_COMMON)
resets = Router(
    prefix="/api/v1/password-resets",
    tags=["accounts"],
    route_class=PublicRoute,
    responses=_COMMON,
)
own = Router(prefix=f"{PREFIX}/me", tags=["accounts"], route_class=AccountRoute, responses=_COMMON)


@public.post("", status_code=HTTPStatus.CREATED, responses=describe(409))
async def register(
    write: Writing, hashing: Hashing, body: Registration, response: Response
) -> AccountRead:
    """Register: make an account for a customer."""
    password = body.password.get_secret_value()
    if problem := weakness(password, email=body.email):
        raise weak_password("password", problem)
    password_hash = await hashing.hash(password)
    account = await write(
        lambda session: accounts.register(
            session, body.email, body.display_name, password_hash, Role.CUSTOMER
        )
    )
    response.headers["Location"] = f"{PREFIX}/me"
    response.headers["ETag"] = etag_of(account.version)
    return to_read(account)


@own.get("", responses=describe(412))
async def read_own_account(read: Reading, caller: Caller, response: Response) -> AccountRead:
    """Read one's account."""
    account = await read(lambda session: accounts.live_account(session, caller))
    response.headers["ETag"] = etag_of(account.version)
    return to_read(account)


@own.patch("", responses=describe(412))
async def update_own_account(
    write: Writing,
    caller: Caller,
    body: AccountUpdate,
    precondition: IfMatches,
    response: Response,
) -> AccountRead:
    """Change one's account (JSON merge patch, RFC 7396)."""
    account = await write(lambda session: accounts.update_own(session, caller, body, precondition))
    response.headers["ETag"] = etag_of(account.version)
    return to_read(account)


@own.put("/password", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
async def change_password(
    write: Writing, hashing: Hashing, caller: Caller, asker: Asker, body: PasswordChange
) -> None:
    """Change one's password. Every other session ends."""
    await passwords.change_password(write, hashing, caller, asker.network, body)


@own.get("/export", responses=describe(412))
async def export_own_account(request: Request, read: Reading, caller: Caller) -> Export:
    """Export all that is stored of oneself."""
    domains: tuple[Domain, ...] = request.state.domains

    async def work(session: ReadSession) -> Export:
        account = await accounts.live_account(session, caller)
        data = {
            domain.name: await domain.export(session, account.id)
            for domain in domains
            if domain.export is not None
        }
        return Export(exported_at=datetime.now(UTC), data=data)

    return await read(work)


@dataclass(frozen=True)
class Erasure:
    """From where an erasure is asked for, and the domains that have something to erase."""

    asker: Client
    domains: tuple[Domain, ...]


async def _erasure(request: Request, asker: Asker) -> Erasure:
    return Erasure(asker, request.state.domains)


Erasing = Annotated[Erasure, Depends(_erasure)]


@own.post(
    "/erasure",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=describe(409),
)
async def erase_own_account(
    write: Writing, hashing: Hashing, caller: Caller, erasing: Erasing, body: Confirmation
) -> None:
    """Erase one's account. This can't be undone."""
    proof = Proof(body.password.get_secret_value(), "password", erasing.asker.network)
    await prove_password(write, hashing, caller, proof)

    async def work(session: WriteSession) -> None:
        account_id = await accounts.erase(session, caller)
        for domain in erasing.domains:
            if domain.erase is not None:
                await domain.erase(session, account_id)

    await write(work)


@resets.post("", status_code=HTTPStatus.ACCEPTED)
async def request_password_reset(write: Writing, body: PasswordResetRequest) -> Accepted:
    """Have a token mailed to set a new password with."""
    await passwords.request_reset(write, body)
    return Accepted()


@resets.post("/confirm", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
async def confirm_password_reset(
    write: Writing, hashing: Hashing, asker: Asker, body: PasswordResetConfirmation
) -> None:
    """Set a new password, with the token that was mailed. Every session ends."""
    await passwords.confirm_reset(write, hashing, asker.network, body)
